import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PreferencePair } from '../../src/preferences/pair.ts'
import { createJudge } from '../../src/traces/judge.ts'
import type { TraceRecord } from '../../src/traces/record.ts'
import { CHAIN, CHAIN_STEPS, render } from '../traces/problems.ts'

/** Files that commands of stages read, a few records of each, by their place in `folder`. */
export function writeStageInputs(
  folder: string,
  paths: Readonly<{
    questions?: readonly string[]
    problems?: readonly string[]
    traces?: readonly string[]
    pairs?: readonly string[]
    adapters?: readonly string[]
  }>,
): void {
  const write = (path: string, rows: readonly unknown[]): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  }
  for (const path of paths.questions ?? []) write(path, QUESTIONS)
  for (const path of paths.problems ?? []) write(path, [{ problem_id: 'p1', ...CHAIN, gold: GOLD }])
  for (const path of paths.traces ?? []) write(path, TRACES)
  for (const path of paths.pairs ?? []) write(path, PAIRS)
  for (const path of paths.adapters ?? [])
    write(join(path, 'adapter_config.json'), [{ base_model_name_or_path: 'mistralai/Mistral-7B-v0.1' }])
}

const QUESTIONS = [1, 2, 3].map((number) => ({
  question: `Ann has ${number} apples and buys two. How many has she?`,
  answer: `${number} + 2 = <<${number}+2=${number + 2}>>${number + 2}\n#### ${number + 2}`,
}))

const GOLD = CHAIN_STEPS.map(({ thought, name, args }) => ({
  thought,
  action: `<Option type="${name}" args="[${args.join(', ')}]" />`,
}))

const judge = createJudge()
const traceOf = (completion: string, sample: number): TraceRecord => ({
  ...judge(CHAIN, completion),
  problem_id: 'p1',
  label: CHAIN.label,
  premises: [...CHAIN.premises],
  conclusion: CHAIN.conclusion,
  prompt: 'Premises: ...',
  completion,
  num_tokens: 40,
  finish_reason: 'stop',
  sample_idx: sample,
  seed: sample,
  policy: 'scripted',
})
/** One that proves, and one that guesses. */
const TRACES: readonly TraceRecord[] = [
  traceOf(render(CHAIN_STEPS), 0),
  traceOf(render(CHAIN_STEPS.slice(3)), 1),
]

/** One question of three completions. */
const PAIRS: readonly PreferencePair[] = ['no', 'wrong'].map((rejected) => ({
  question_id: 'q1',
  prompt: 'Q?',
  prompt_tokens: 300,
  chosen: 'yes',
  rejected,
  chosen_ids: Array.from({ length: 200 }, () => 1),
  rejected_ids: Array.from({ length: 200 }, () => 2 + rejected.length),
  chosen_score: 1,
  rejected_score: 0,
  margin: 1,
  pair_type: 'correctness',
}))
