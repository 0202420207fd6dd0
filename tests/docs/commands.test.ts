import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { normaliseFlags } from '../../src/cli/argv.ts'
import { refuseTypos } from '../../src/cli/typos.ts'
import { createProgram, refusalOf } from '../support/program.ts'
import { blocksOf, commandsOf, PAGES, pageText, ROOT } from './pages.ts'

const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object }

/** Programs that pages may use beside ours. */
const OTHERS = new Set(
  'cd cat head tail curl cp ls mkdir git node npm pip python python3 sha256sum source ssh tensorboard transformers unzip wandb wget'.split(
    ' ',
  ),
)
const SHELLS = new Set(['bash', 'sh', 'shell', 'console'])

/** Why a command of a page would not work; null if nothing is known against it. */
function faultOf(words: readonly string[]): string | null {
  const [first = '', second = '', ...rest] = words.filter((word) => !/^[A-Z_]+=/.test(word))
  if (first === 'elenchus') return refusalOfExample([second, ...rest])
  if (first === 'npx' && second === 'elenchus') return refusalOfExample(rest)
  if (first === 'node' && second.endsWith('cli/main.js')) return refusalOfExample(rest)
  if (first === 'npm' && second === 'run') {
    const name = rest.find((word) => !word.startsWith('-')) ?? ''
    return Object.hasOwn(scripts, name) ? null : `there is no npm script "${name}"`
  }
  if (/^(?:\.\/)?(?:scripts|examples)\//.test(first))
    return existsSync(join(ROOT, first)) ? null : `${first} does not exist`
  return OTHERS.has(first) ? null : `"${first}" is no command that pages may use`
}

/** "..." stands for what an example leaves out, mandatory flags included. */
function refusalOfExample(words: readonly string[]): string | null {
  const refusal = refusalOf(words.filter((word) => word !== '...'))
  return words.includes('...') && refusal?.includes('required option') === true ? null : refusal
}

describe.each(PAGES)('%s', (page) => {
  test('every command exists, with every flag', () => {
    const faults = blocksOf(page).flatMap(({ at, language, text }) => {
      // Blocks without a language are output, or commands: those begin with our name.
      const isShell = SHELLS.has(language) || (language === '' && /^(?:npx )?elenchus /.test(text))
      if (!isShell) return []
      return commandsOf(text).flatMap((words) => {
        const fault = faultOf(words)
        return fault === null ? [] : [`${at}: ${words.join(' ')}: ${fault}`]
      })
    })
    expect(faults).toEqual([])
  })

  test('so do those within the text', () => {
    const faults = Array.from(pageText(page).matchAll(/`(?:npx )?elenchus ([^`\n]+)`/g), ([, text = '']) => {
      const [words = []] = commandsOf(text)
      try {
        const known = words.filter((word) => !/^(?:\.\.\.|<.*>|[A-Z]+)$/.test(word))
        // `traces|rollouts|evaluate` and the like name several.
        if (!words[0]?.includes('|')) refuseTypos(createProgram(), normaliseFlags(known))
        return null
      } catch (error) {
        return `${text}: ${String(error)}`
      }
    }).filter((fault) => fault !== null)
    expect(faults).toEqual([])
  })

  test('every file that it links to or names exists', () => {
    const text = pageText(page)
    const links = Array.from(text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g), ([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target))
      .map((target) => join(dirname(page), target))
    const named = Array.from(
      text.matchAll(/`((?:src|docs|configs|scripts|tests|py-runtime|examples)\/[\w./-]+)`/g),
      ([, target = '']) => target,
    )
    expect([...links, ...named].filter((path) => !existsSync(join(ROOT, path)))).toEqual([])
  })
})

test('README names every page, and stays one screen of text', () => {
  const readme = pageText('README.md')
  expect(PAGES.filter((page) => page !== 'README.md' && !readme.includes(page))).toEqual([])
  expect(readme.split('\n').length).toBeLessThan(70)
})

test('the check itself finds what is wrong', () => {
  expect(commandsOf('a b | c "d e" \\\n  f > out # g\nh && i')).toEqual([
    ['a', 'b'],
    ['c', 'd e', 'f'],
    ['h'],
    ['i'],
  ])
  expect(faultOf(['elenchus', 'verify', '--trace', 'x'])).toMatch(/Did you mean --traces/)
  expect(faultOf(['elenchus', 'verify'])).toMatch(/--traces/)
  expect(faultOf(['npx', 'elenchus', 'verfy'])).toMatch(/Did you mean verify/)
  expect(faultOf(['npm', 'run', 'nothing'])).toMatch(/no npm script/)
  expect(faultOf(['./scripts/nothing.sh'])).toMatch(/does not exist/)
  expect(faultOf(['X=1', 'elenchus', 'run', 'c.yaml', '...'])).toBeNull()
})
