import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { normaliseFlags } from '../../src/cli/argv.ts'
import { createProgram } from '../support/program.ts'
import { writeStageInputs } from '../support/stage-inputs.ts'
import { blocksOf, commandsOf, pageText } from './pages.ts'

/** What an example leaves out with "...". */
const LEFT_OUT: Readonly<Record<string, string>> = {
  dpo: '--pairs p.jsonl --model m --output o',
  rollouts: '--base-model m --data-path d.jsonl --out-path o.jsonl',
}
const PAGE = 'docs/scaling.md'

/** Every command of the page that starts workers. */
const COMMANDS = [
  ...blocksOf(PAGE).flatMap(({ text }) => commandsOf(text)),
  ...Array.from(pageText(PAGE).matchAll(/`elenchus ((?:dpo|rollouts) [^`]+)`/g), ([, text = '']) => [
    'elenchus',
    ...(commandsOf(text)[0] ?? []),
  ]),
].filter(([program, command]) => program === 'elenchus' && command !== 'join')

const here = process.cwd()
const folder = mkdtempSync(join(tmpdir(), 'elenchus-scaling-'))
beforeAll(() => {
  process.chdir(folder)
  writeFileSync(
    'accelerate.yaml',
    'compute_environment: LOCAL_MACHINE\ndistributed_type: MULTI_GPU\nnum_machines: 1\nnum_processes: 2\nmixed_precision: bf16\n',
  )
  writeStageInputs(folder, {
    questions: ['data/gsm8k_train.jsonl', 'd.jsonl'],
    problems: ['data/processed/prontoqa_train.jsonl'],
    traces: ['outputs/traces/run1/traces.jsonl'],
    pairs: ['data/abel_coherence_preferences.jsonl', 'p.jsonl'],
    adapters: ['outputs/sft/run1/final', 'checkpoints/abel_ppo_lora'],
  })
})
afterAll(() => {
  process.chdir(here)
  rmSync(folder, { recursive: true })
})

test('the page has a command for every launcher', () => {
  const text = COMMANDS.flat().join(' ')
  for (const name of ['accelerate', 'torchrun', 'command', 'slurm', 'ray']) {
    expect(text).toContain(`--launcher ${name}`)
  }
})

test.each(COMMANDS.map((words) => [words.join(' '), words]))(
  '%s says with --dry-run what it would launch',
  async (_text, [, name = '', ...words]) => {
    const shown: string[] = []
    const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => shown.push(String(text)) > 0)
    try {
      const given = words.flatMap((word) => (word === '...' ? (LEFT_OUT[name] ?? '').split(' ') : [word]))
      const argv = normaliseFlags(['node', 'elenchus', name, ...given, '--dry-run'])
      await createProgram().parseAsync(argv)
    } finally {
      out.mockRestore()
    }
    // A title per process or job, and how it would be started.
    expect(shown.join('')).toMatch(/^# .*\n.+/)
  },
)
