import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { completionScript } from '../../src/cli/completion.ts'
import { pathOf } from '../../src/cli/typos.ts'
import { leaves } from '../../src/cli/reference.ts'
import { createProgram, refusalOf } from '../support/program.ts'

describe('help', () => {
  test('every command has examples, and they are right', () => {
    for (const command of leaves(createProgram())) {
      let help = ''
      command.configureOutput({ writeOut: (text) => (help += text) })
      command.outputHelp()
      const examples = help.split(/\nExamples?:\n/)[1] ?? ''
      expect(examples, pathOf(command)).toContain(pathOf(command))
      const lines = examples.replaceAll(/\\\n\s*/g, '').split('\n')
      for (const line of lines) {
        const [, words] = /^ +elenchus (.*?)(?: *[>#].*)?$/.exec(line) ?? []
        if (words === undefined) continue
        const parts = Array.from(
          words.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g),
          (m) => m[1] ?? m[2] ?? m[3] ?? '',
        )
        expect(refusalOf(parts), line).toBeNull()
      }
    }
  })
})

describe('typos', () => {
  test.each([
    [['vrify'], 'There is no elenchus vrify. Did you mean verify?'],
    [['data', 'genrate'], 'There is no elenchus data genrate. Did you mean generate?'],
    [
      ['dpo', '--min-validty-gap', '1'],
      'elenchus dpo has no --min-validty-gap. Did you mean --min-validity-gap?',
    ],
    // A mandatory flag that is mistyped is not called missing.
    [['dpo', '--ouput', 'x'], 'elenchus dpo has no --ouput. Did you mean --output?'],
    [
      ['dpo', '--min_validty_gap=1'],
      'elenchus dpo has no --min-validty-gap. Did you mean --min-validity-gap?',
    ],
    [['verify', '--frobnicate'], 'elenchus verify has no --frobnicate.'],
  ])('%j', (words, message) => {
    expect(refusalOf(words)).toBe(message)
  })

  test('values that look like flags, underscores and help are none', () => {
    expect(refusalOf(['setup', '--pip-args', '--extra-index-url URL'])).toBeNull()
    expect(refusalOf(['sft', '--data', 'a', '--output', 'b', '--learning_rate', '1e-4'])).toBeNull()
    expect(refusalOf(['dpo', '--help'])).toBeNull()
    expect(refusalOf(['help', 'dpo'])).toBeNull()
  })
})

describe('completion', () => {
  const script = completionScript(createProgram(), 'bash')

  /** What bash offers for a line that ends where the cursor stands. */
  function offered(line: string): string[] {
    const words = line.split(/(?<==)|(?==)| /)
    const program = `${script}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
_elenchus; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', program], { encoding: 'utf8', cwd: import.meta.dirname })
      .split('\n')
      .filter(Boolean)
  }

  test.each([
    ['elenchus ver', ['verify']],
    ['elenchus data gen', ['generate']],
    ['elenchus dpo --min-val', ['--min-validity-gap']],
    ['elenchus verify --style ', ['options', 'sentences']],
    ['elenchus verify --style=sen', ['sentences']],
    ['elenchus evaluate --task gsm8k-', ['gsm8k-platinum']],
    ['elenchus completion ', ['bash', 'zsh', 'fish']],
    // Files, for a flag that takes one and for an argument.
    ['elenchus dpo --traces help.te', ['help.test.ts']],
    ['elenchus run help.te', ['help.test.ts']],
  ])('bash: %s', (line, expected) => {
    expect(offered(line)).toEqual(expected)
  })

  test('every command and flag of the program is known to every shell', () => {
    const fish = completionScript(createProgram(), 'fish')
    for (const command of leaves(createProgram())) {
      expect(script).toContain(`'${pathOf(command).replace('elenchus ', '')}')`)
      expect(fish).toMatch(new RegExp(`-a ${command.name()} -d`))
      for (const { long } of command.options) {
        expect(script).toContain(long)
        expect(fish).toContain(`-l ${long?.slice(2)}`)
      }
    }
  })

  test.each(['bash', 'zsh', 'fish'] as const)('%s reads it without complaint', async (shell) => {
    if (spawnSync(shell, ['-c', 'true']).status !== 0) {
      console.warn(`skipped: there is no ${shell}`)
      return
    }
    const folder = await mkdtemp(join(tmpdir(), 'elenchus-completion-'))
    const path = join(folder, 'script')
    await writeFile(path, completionScript(createProgram(), shell))
    const checked = spawnSync(shell, ['-n', path], { encoding: 'utf8' })
    await rm(folder, { recursive: true })
    expect(checked.stderr).toBe('')
    expect(checked.status).toBe(0)
  })
})
