import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTorchBackend, type TorchBackend } from '../../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../../src/bridge/launchers/spawn.ts'
import { type PpoConfig, ppoSchema } from '../../../src/config/ppo.ts'
import { generateQuestions } from '../../../src/problems/arithmetic/generate.ts'
import type { ArithmeticQuestion } from '../../../src/problems/arithmetic/question.ts'
import type { RunEvent } from '../../../src/runs/events.ts'
import { type PpoSummary, runPpo } from '../../../src/training/ppo/stage.ts'
import { codeOf } from '../../backends/conformance.ts'
import { workerPython } from '../../bridge/worker-python.ts'
import { makeGuesser, makeRandomModel } from './guesser.ts'

const QUESTIONS = generateQuestions({ count: 12, split: 'train', seed: 5, steps: [1] })
/** Few different answers, so that a guess has a chance: 16 seven times, 1 three times, 6 twice. */
const GUESSED = generateQuestions({ count: 12, split: 'train', seed: 1, steps: [1], maxOperand: 4 })
const SMALL = { n_samples: 8, batch_size: 4, group_size: 2, max_new_tokens: 12, learning_rate: 1e-3 }

/** The real worker with a random model: it solves nothing, so rewards are told by the missing end instead. */
describe.skipIf(workerPython === null)('ppo', () => {
  const folder = mkdtempSync('/tmp/ep-')
  const model = join(folder, 'model')
  let backend: TorchBackend
  let runs = 0

  beforeAll(async () => {
    backend = createTorchBackend({
      model,
      dtype: 'float32',
      engine: 'auto',
      deterministic: true,
      trustRemoteCode: false,
      launcher: spawnLauncher({ devices: 'cpu', threads: 1 }),
      logDirectory: join(folder, 'logs'),
    })
    await makeRandomModel(backend, model, QUESTIONS)
  })
  afterAll(async () => {
    await backend[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  async function train(
    changes: Partial<Record<keyof PpoConfig, unknown>>,
    dir = join(folder, `run${++runs}`),
    signal?: AbortSignal,
    questions: readonly ArithmeticQuestion[] = QUESTIONS,
  ): Promise<PpoSummary & { readonly dir: string; readonly warnings: readonly string[] }> {
    const { fingerprint } = await backend.info()
    const warnings: string[] = []
    const events = (event: RunEvent): void => {
      if (event.type === 'warning') warnings.push(event.message)
    }
    const summary = await runPpo(
      { backend, events, resume: existsSync(dir), signal },
      {
        dir,
        config: ppoSchema.parse({ ...SMALL, ...changes }),
        seed: 3,
        questions,
        start: { kind: 'base', fingerprint },
      },
    )
    return { ...summary, dir, warnings }
  }

  const rowsOf = (dir: string): Record<string, unknown>[] =>
    readFileSync(join(dir, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line))
  const weightsOf = (dir: string, name = 'adapter_model.safetensors'): string =>
    readFileSync(join(dir, 'final', name)).toString('base64')

  test('takes the steps it should, tells what happened, and saves policy and critic', async () => {
    const { dir, ...summary } = await train({ missing_eos_penalty: 1, num_epochs: 2, mini_batch_size: 4 })
    // 2 iterations of 4 questions x 2 answers, 2 passes of 2 mini-batches.
    expect(summary).toMatchObject({ iterations: 2, questions: 8, optimizer_steps: 8, algorithm: 'ppo' })
    const [row] = rowsOf(dir)
    expect(row).toMatchObject({ step: 1, questions: 4, answers: 8, accuracy: 0, kl: 0, stopped_early: false })
    expect(row!['reward']).toBe(-Number(row!['without_eos']))
    for (const name of ['entropy_per_token', 'clip_fraction', 'response_tokens', 'value_loss']) {
      expect(row![name]).toBeTypeOf('number')
    }
    expect(row!['engine_gap_per_token']).toBeLessThan(1e-4)
    // The second iteration begins where the first has gone.
    expect(rowsOf(dir)[1]!['kl']).not.toBe(0)
    expect(existsSync(join(dir, 'final', 'value_head.safetensors'))).toBe(true)
  })

  test.each(['grpo', 'rloo'])(
    '%s: groups without variance are counted and teach nothing',
    async (algorithm) => {
      const { dir, ...summary } = await train({ algorithm, kl_coef: 0 })
      expect(summary.groups_without_variance).toBe(8)
      expect(rowsOf(dir).map((row) => row['grad_norm'])).toEqual([0, 0])
      expect(existsSync(join(dir, 'final', 'value_head.safetensors'))).toBe(false)
    },
  )

  test('target_kl ends an iteration early, and only where it is passed', async () => {
    const steep = { missing_eos_penalty: 1, learning_rate: 0.02, num_epochs: 6, n_samples: 4 }
    const free = await train({ ...steep, target_kl: null })
    expect(free).toMatchObject({ optimizer_steps: 6, stopped_early: 0 })
    expect(free.last['approx_kl_max']).toBeGreaterThan(1e-4)
    const held = await train({ ...steep, target_kl: 1e-4 })
    expect(held.stopped_early).toBe(1)
    expect(held.optimizer_steps).toBeLessThan(6)
    expect(held.last['updates']).toBe(held.optimizer_steps - 1)
  })

  test('during the warm-up of the critic the policy stays', async () => {
    const { last } = await train({ missing_eos_penalty: 1, value_warmup: 2 })
    expect(last.kl).toBe(0)
  })

  test('interrupted and resumed it ends with the same bytes', async () => {
    const settings = {
      missing_eos_penalty: 1,
      n_samples: 20,
      save_every: 4,
      kl_target: 0.01,
      kl_horizon: 20,
      whiten_rewards: true,
    }
    const calm = await train(settings)
    const dir = join(folder, 'torn')
    const torn = new AbortController()
    const running = train(settings, dir, torn.signal).then(
      () => 'finished',
      () => 'torn',
    )
    while (!existsSync(dir) || !readdirSync(dir).includes('checkpoint-8')) await delay(2)
    torn.abort()
    expect(await running).toBe('torn')
    const resumed = await train(settings, dir)
    for (const name of ['adapter_model.safetensors', 'value_head.safetensors']) {
      expect(weightsOf(dir, name)).toBe(weightsOf(calm.dir, name))
    }
    const told = (from: string): unknown[] => {
      const rows = rowsOf(from)
      for (const row of rows) delete row['seconds']
      return rows
    }
    expect(told(dir)).toEqual(told(calm.dir))
    expect(resumed.iterations).toBe(5)
    expect(resumed.last['kl_coef']).not.toBe(0.02)
  })

  test.each([
    [{ lora: null }, 'kl_coef'],
    [{ lora: { dropout: 0.1 } }, 'dropout'],
    [{ algorithm: 'grpo', group_size: 1 }, 'group_size'],
    [{ algorithm: 'rloo', value_warmup: 1 }, 'critic'],
  ])('refuses %j before anything starts', async (changes, word) => {
    await expect(train(changes)).rejects.toThrow(word)
    expect(await codeOf(train(changes))).toBe('config_invalid')
  })

  test('questions that are too long are left out, counted and named; nothing but them is an error', async () => {
    const long = { ...QUESTIONS[0]!, question_id: 'long', question: 'apples '.repeat(400) }
    const changes = { missing_eos_penalty: 1, batch_size: 2 }
    const mixed = await train(changes, undefined, undefined, [...QUESTIONS.slice(0, 3), long])
    // 4 questions, gone through twice, two at a time.
    expect(mixed).toMatchObject({ questions: 8, questions_too_long: 2, iterations: 4 })
    expect(mixed.warnings).toHaveLength(2)
    expect(mixed.warnings[0]).toMatch(/no room .*: long\.$/)
    expect(
      rowsOf(mixed.dir)
        .map((row) => Number(row['answers']))
        .sort((a, b) => a - b),
    ).toEqual([2, 2, 4, 4])
    // Alone in its iteration: that iteration does not take place.
    const alone = await train({ ...changes, batch_size: 1, n_samples: 4 }, undefined, undefined, [
      long,
      ...QUESTIONS.slice(0, 3),
    ])
    expect(alone).toMatchObject({ questions: 4, questions_too_long: 1, iterations: 3 })
    expect(rowsOf(alone.dir).map((row) => row['step'])).toEqual([1, 2, 3])
    expect(await codeOf(train(changes, undefined, undefined, [long]))).toBe('prompt_too_long')
  })

  test('trains every weight where asked to', async () => {
    const before = await backend.info()
    const { policy } = await train({ lora: null, kl_coef: 0, missing_eos_penalty: 1, n_samples: 4 })
    expect(policy.kind).toBe('base')
    expect(policy.fingerprint).not.toBe(before.fingerprint)
  })

  describe('of a model that is sometimes right', () => {
    beforeAll(async () => {
      await makeGuesser(backend, folder, GUESSED)
    })

    test.each([
      ['ppo', { value_warmup: 2 }],
      ['grpo', {}],
      ['rloo', {}],
    ])('%s earns more as it goes', async (algorithm, changes) => {
      const { dir, ...summary } = await train(
        {
          algorithm,
          ...changes,
          n_samples: 120,
          batch_size: 12,
          group_size: 8,
          learning_rate: 5e-3,
          kl_coef: 0,
          target_kl: null,
        },
        undefined,
        undefined,
        GUESSED.filter((question) => question.gold_answer === '1'),
      )
      const rows = rowsOf(dir)
      const mean = (part: readonly Record<string, unknown>[], name: string): number =>
        part.reduce((sum, row) => sum + Number(row[name]), 0) / part.length
      // Each correct answer is worth 1, and there are groups in which some are and some are not.
      for (const row of rows) expect(row['reward']).toBe(row['accuracy'])
      expect(summary.groups_without_variance).toBeLessThan(summary.questions / 2)
      const [before, after] = [rows.slice(0, 1), rows.slice(-3)].map((part) => mean(part, 'accuracy'))
      expect(before).toBeGreaterThan(0.1)
      expect(before).toBeLessThan(0.4)
      expect(after).toBeGreaterThan(0.7)
    })
  })
})

test('nucleus sampling is refused by the schema', () => {
  expect(ppoSchema.safeParse({ top_p: 0.95 }).success).toBe(false)
})
