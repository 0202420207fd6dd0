import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ModelBackend, PolicyRef, StepInput, StepResult } from '../../src/backends/backend.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { dpoSchema } from '../../src/config/training.ts'
import type { PreferencePair } from '../../src/preferences/pair.ts'
import { runDpo } from '../../src/training/dpo.ts'
import { BareSession } from '../support/bare-session.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'elenchus-dpo-'))
})
afterEach(() => rm(dir, { recursive: true }))

const QUESTIONS = 230
const STEPS = Math.ceil((QUESTIONS * 12) / 32)
const [CORRECT, WRONG] = [2, 6]
const [PROMPT_TOKENS, COMPLETION_TOKENS] = [100, 150]

const completion = (number: number): number[] => Array.from({ length: COMPLETION_TOKENS }, () => number)

/** Of each question every correct completion against every wrong one: 12. */
const PAIRS: readonly PreferencePair[] = Array.from({ length: QUESTIONS }, (_, question) =>
  Array.from({ length: CORRECT * WRONG }, (_, pair) => ({
    problem_id: String(question),
    prompt: `question ${question}`,
    prompt_tokens: PROMPT_TOKENS,
    chosen: '',
    rejected: '',
    chosen_ids: completion(Math.floor(pair / WRONG)),
    rejected_ids: completion(CORRECT + (pair % WRONG)),
    chosen_score: 1,
    rejected_score: 0,
    margin: 1,
    pair_type: 'trace' as const,
    policy: 'scripted',
  })),
).flat()

type DpoBatch = Extract<StepInput['batch'], { kind: 'dpo' }>

/** Keeps what it is asked to train on; its first step says what it is told to. */
function backend(
  batches: DpoBatch[],
  metrics: Readonly<Record<string, number>>,
  dtype: string,
): ModelBackend {
  const scripted = createScriptedBackend(() => '')
  class Session extends BareSession {
    async step({ step, batch }: StepInput): Promise<StepResult> {
      if (batch.kind === 'dpo') batches.push(batch)
      return { step, loss: Math.LN2, gradNorm: 1, tokens: 1, truncated: 0, metrics }
    }

    override async save(): Promise<PolicyRef> {
      return { kind: 'base', fingerprint: 'trained' }
    }

    override async saveCheckpoint(): Promise<void> {}
  }
  return {
    ...scripted,
    capabilities: { ...scripted.capabilities, score: true, train: true },
    info: async () => ({ ...(await scripted.info()), dtype }),
    score: async (trajectories) =>
      trajectories.map(() => ({ sum: -1, logprobs: new Float32Array(COMPLETION_TOKENS) })),
    openTraining: async () => new Session(),
  }
}

async function train(
  settings: object,
  metrics: Readonly<Record<string, number>> = { reference_gap: 0 },
  dtype = 'float32',
): Promise<readonly DpoBatch[]> {
  const batches: DpoBatch[] = []
  const context = { backend: backend(batches, metrics, dtype), events: () => undefined, resume: false }
  await runDpo(context, {
    dir: join(dir, String(Math.random())),
    config: dpoSchema.parse({ learning_rate: 1e-5, batch_size: 32, ...settings }),
    seed: 3,
    pairs: PAIRS,
    dataFingerprint: 'pairs',
    start: { kind: 'base', fingerprint: 'scripted' },
  })
  return batches
}

/** Prompts once, and each trajectory once. */
function tokensRead(batches: readonly DpoBatch[]): number {
  return batches.reduce((total, { trajectories }) => {
    const prompts = new Set(trajectories.map(({ prompt }) => prompt)).size
    return total + prompts * PROMPT_TOKENS + trajectories.length * COMPLETION_TOKENS
  }, 0)
}

/** Of a step, in the mean. docs/benchmarks.md tells these numbers. */
const perStep = (batches: readonly DpoBatch[]): number => Math.round(tokensRead(batches) / batches.length)

test('a step packs whole questions, so that it reads each trajectory once for all its pairs', async () => {
  const batches = await train({})
  expect(batches).toHaveLength(STEPS)
  expect(batches.slice(0, -1).every(({ pairs }) => pairs.length === 32)).toBe(true)
  expect(perStep(batches)).toBe(4003)
  // Beyond every question once there is only what the border of a step tears apart.
  const whole = QUESTIONS * (PROMPT_TOKENS + (CORRECT + WRONG) * COMPLETION_TOKENS)
  expect(tokensRead(batches) / whole).toBeCloseTo(1.16, 2)
})

test('single pairs, if asked for, are of many questions, and cost several times as much', async () => {
  const batches = await train({ batching: 'pairs' })
  expect(batches).toHaveLength(STEPS)
  expect(batches.slice(0, -1).every(({ pairs }) => pairs.length === 32)).toBe(true)
  expect(perStep(batches)).toBe(12_308)
})

const FLOAT = { reference_gap: 1e-3, reference_gap_per_token: 1 }
const HALF = { reference_gap: 5, reference_gap_per_token: 0.01 }

test.each([
  ['float32', FLOAT],
  ['bfloat16', HALF],
])('at the first step rounding of %s passes', async (dtype, metrics) => {
  expect(await train({ max_steps: 2 }, metrics, dtype)).toHaveLength(2)
})

test.each([
  ['in fp32 a sequence that differs by more than rounding', 'float32', { ...FLOAT, reference_gap: 0.02 }],
  ['in bf16 a mean per token beyond it', 'bfloat16', { ...HALF, reference_gap_per_token: 0.03 }],
  ['what is not a number', 'float32', { reference_gap: Number.NaN }],
  ['silence', 'float32', {}],
])('at the first step %s ends the training', async (_, dtype, metrics) => {
  const trained = train({ max_steps: 2 }, metrics, dtype)
  await expect(trained).rejects.toMatchObject({ code: 'guard_failed' })
  await expect(trained).rejects.toThrow('does not belong to this policy')
})

test('with dropout the policy differs from itself, so nothing is held against it', async () => {
  const lora = { dropout: 0.1 }
  expect(await train({ max_steps: 2, lora }, { reference_gap: 3 })).toHaveLength(2)
})
