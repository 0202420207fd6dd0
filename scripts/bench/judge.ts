import { createEntailer } from '../../src/entailment/entailer.ts'
import { prepareProblem } from '../../src/logic/checker/prepare.ts'
import { parseTheory } from '../../src/logic/language/theory.ts'
import { demonstrate } from '../../src/problems/demonstrations.ts'
import { generateProblems } from '../../src/problems/generator/generate.ts'
import type { Problem } from '../../src/problems/problem.ts'
import { renderOption, renderStep } from '../../src/prompts/proof.ts'
import { judgeCompletion, judgeText } from '../../src/traces/judge.ts'

/**
 * Steps per second of the judge on one core, from the raw text of a completion to its verdict, and beside it
 * the time of an entailment question to Z3. Half of the traces are gold proofs, half careless ones.
 */
const PROBLEMS = 400
const SAMPLES = 4
const Z3_QUESTIONS = 50
const RUNS = 40

interface Sampled {
  readonly problem: Problem
  readonly completions: readonly string[]
}

function sample(problem: Problem): Sampled {
  const completions = Array.from({ length: SAMPLES }, (_, seed) =>
    demonstrate(problem, { carelessShare: 0.5, swapShare: 0.6, guessShare: 0.4, seed })
      .map(({ thought, action }) => renderStep(thought, action))
      .join(''),
  )
  return { problem, completions }
}

/**
 * The best of several runs, in seconds of processor time (all threads of the process, the compiler's and the
 * collector's too): other work on the machine can only make one longer.
 */
function best(work: () => void): number {
  let seconds = Infinity
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    seconds = Math.min(seconds, (user + system) / 1e6)
  }
  return seconds
}

const samples = generateProblems({
  count: PROBLEMS,
  seed: 1,
  split: 'dev',
  hops: [1, 2, 3, 4, 5],
  labels: ['TRUE', 'FALSE', 'UNKNOWN'],
}).map(sample)
const prepared = samples.map(({ problem, completions }) => ({
  problem: prepareProblem(problem),
  label: problem.label,
  completions,
}))
let steps = 0
let valid = 0
for (const { problem, completions } of prepared) {
  for (const text of completions) {
    const { judgement } = judgeText(problem, text)
    steps += judgement.steps.length
    valid += judgement.validSteps
  }
}

const verdicts = best(() => {
  for (const { problem, completions } of prepared) for (const text of completions) judgeText(problem, text)
})
const records = best(() => {
  for (const { problem, label, completions } of prepared) {
    for (const text of completions) judgeCompletion(problem, label, text)
  }
})
const everything = best(() => {
  for (const { problem, completions } of samples) {
    const ready = prepareProblem(problem)
    for (const text of completions) judgeCompletion(ready, problem.label, text)
  }
})

/** Twenty times one trace of n steps, most of them redundant: the cost must double with n. */
function longTrace(n: number): () => void {
  const problem = prepareProblem({
    premises: ['Max is a yumpus.', 'Every yumpus is a wumpus.'],
    conclusion: 'Max is a wumpus.',
  })
  const thought = 'Max is a yumpus. [0] Every yumpus is a wumpus. [1] So Max is a wumpus.'
  const trace = renderStep(thought, renderOption('MODUS_PONENS', [0, 1])).repeat(n)
  return () => {
    for (let i = 0; i < 20; i++) judgeText(problem, trace)
  }
}
const ratio = best(longTrace(1000)) / best(longTrace(500))

await using entailer = createEntailer({ method: 'z3' })
const theories = samples.slice(0, Z3_QUESTIONS + 1).flatMap(({ problem }) => {
  const theory = parseTheory(problem)
  return theory.ok ? [theory] : []
})
const [warmUp, ...questions] = theories
if (warmUp !== undefined) await entailer.decide(warmUp)
const began = performance.now()
for (const question of questions) await entailer.decide(question)
const z3Milliseconds = (performance.now() - began) / questions.length

const perSecond = (seconds: number): number => Math.round(steps / seconds)
console.log(
  JSON.stringify(
    {
      traces: PROBLEMS * SAMPLES,
      steps,
      valid_steps: valid,
      'steps/s, text to verdict': perSecond(verdicts),
      'steps/s, text to trace record': perSecond(records),
      'steps/s, problem and text to trace record': perSecond(everything),
      'time of 1,000 steps / time of 500 steps': Number(ratio.toFixed(2)),
      'Z3, ms per entailment question': Number(z3Milliseconds.toFixed(2)),
      'judge, ms per trace': Number(((1000 * verdicts) / (PROBLEMS * SAMPLES)).toFixed(4)),
    },
    null,
    2,
  ),
)
