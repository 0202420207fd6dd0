import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Completion, PolicyRef, TrainBatch, TrainingSession, TrainTarget } from '../backends/backend.ts'
import { expectClose, expectCode } from './expect.ts'
import type { ConformanceCase, Examinee } from './subject.ts'

const LORA = { rank: 8, alpha: 16, dropout: 0, targetModules: 'all-linear' } as const
const TRAINING = {
  optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
  microBatchTokens: 4096,
  gradientCheckpointing: false,
  seed: 1,
} as const
const NEW: TrainTarget = { kind: 'new-adapter', lora: LORA }

/** What a backend must do that trains; it has to score, too. */
export function trainingCases(examinee: Examinee): ConformanceCase[] {
  const open = async (target: TrainTarget, algorithm: 'sft' | 'dpo' = 'sft'): Promise<TrainingSession> => {
    const backend = await examinee.backend()
    assert.ok(backend.openTraining !== undefined, 'it has no openTraining')
    return backend.openTraining({ algorithm, target, ...TRAINING })
  }
  const examples = async (): Promise<TrainBatch> => ({
    kind: 'sft',
    examples: (await examinee.prompts()).map((prompt) => ({ prompt, completion: 'abc' })),
    maxLength: 128,
  })
  const step = async (session: TrainingSession, number: number, learningRate = 0.01) =>
    session.step({ step: number, learningRate, batch: await examples() })

  const cases: [name: string, run: () => Promise<void>][] = [
    [
      'of a new adapter lowers the loss, changes its policy, and leaves the base alone',
      async () => {
        const path = join(await examinee.folder(), 'adapter')
        const greedy = { temperature: 0, maxNewTokens: 4 }
        const before = await examinee.run(2, greedy)
        let policy: PolicyRef
        const losses: number[] = []
        {
          await using session = await open(NEW)
          assert.ok(session.trainableParameters > 0)
          for (let number = 1; number <= 20; number += 1) {
            losses.push((await step(session, number, 0.02)).loss)
          }
          policy = await session.save(path)
        }
        const [first = 0, last = 0] = [losses[0], losses.at(-1)]
        assert.ok(last < first / 2, `the loss went from ${first} to ${last} only`)
        assert.deepEqual([policy.kind, 'path' in policy ? policy.path : ''], ['adapter', path])
        const texts = (completions: readonly Completion[]): string[] =>
          completions.map(({ key, text }) => `${key}: ${text}`).sort()
        assert.deepEqual(texts(await examinee.run(2, greedy)), texts(before))
        const trained = await examinee.run(2, { ...greedy, policy })
        assert.deepEqual(
          trained.map(({ text }) => text),
          ['abc', 'abc'],
        )
      },
    ],
    [
      'goes on from an adapter, and refuses one that is not what the policy says',
      async () => {
        const folder = await examinee.folder()
        let policy: PolicyRef
        {
          await using session = await open(NEW)
          await step(session, 1)
          policy = await session.save(join(folder, 'start'))
        }
        await using session = await open({ kind: 'adapter', policy })
        await step(session, 1)
        assert.notEqual((await session.save(join(folder, 'next'))).fingerprint, policy.fingerprint)
        const stale = { ...policy, fingerprint: 'another' }
        await expectCode(open({ kind: 'adapter', policy: stale }), 'stale_policy')
      },
    ],
    [
      'by preferences starts at ln 2 and moves apart what it is told to',
      async () => {
        const backend = await examinee.backend()
        const trajectories = await examinee.trajectories(await examinee.run(8))
        const scores = (await backend.score?.(trajectories, { policy: await examinee.base() })) ?? []
        await using session = await open(NEW, 'dpo')
        const batch: TrainBatch = {
          kind: 'dpo',
          trajectories,
          pairs: [
            { chosen: 0, rejected: 1 },
            { chosen: 0, rejected: 2 },
          ],
          referenceSums: Float64Array.from(scores, ({ sum }) => sum),
          loss: { kind: 'sigmoid', beta: 0.1, labelSmoothing: 0, nllCoef: 0, lengthNormalised: false },
          maxLength: 128,
        }
        const first = await session.step({ step: 1, learningRate: 0.01, batch })
        expectClose(first.loss, Math.LN2, 5e-5, 'the first loss')
        const last = await session.step({ step: 2, learningRate: 0.01, batch })
        assert.ok(last.loss < first.loss, `the loss went from ${first.loss} to ${last.loss}`)
      },
    ],
    [
      'goes on from a checkpoint exactly where it was',
      async () => {
        const path = join(await examinee.folder(), 'checkpoint-2')
        let loss: number
        {
          await using session = await open(NEW)
          await step(session, 1)
          await step(session, 2)
          await session.saveCheckpoint(path, { seen: [1, 2] })
          loss = (await step(session, 3)).loss
        }
        await using session = await open(NEW)
        assert.deepEqual(await session.loadCheckpoint(path), { step: 2, cursor: { seen: [1, 2] } })
        expectClose((await step(session, 3)).loss, loss, 5e-7, 'the third loss')
      },
    ],
    [
      'repeats a step that is asked for twice, and refuses a gap',
      async () => {
        await using session = await open(NEW)
        const first = await step(session, 1)
        assert.deepEqual(await step(session, 1), first)
        await expectCode(step(session, 3), 'step_out_of_order')
      },
    ],
    [
      'takes a step that is asked for behind another, and not if that one fails',
      async () => {
        const batch = await examples()
        const empty: TrainBatch = { kind: 'sft', examples: [], maxLength: 128 }
        const losses = async (queued: boolean): Promise<number[]> => {
          await using session = await open(NEW)
          const first = (await step(session, 1)).loss
          if (!queued || session.queuesSteps !== true) {
            return [first, (await step(session, 2)).loss, (await step(session, 3)).loss]
          }
          const failing = session.step({ step: 2, learningRate: 0.01, batch: empty })
          const behind = session.step({ step: 3, learningRate: 0.01, batch })
          await Promise.all([
            assert.rejects(failing, 'a step without any example'),
            expectCode(behind, 'step_out_of_order'),
          ])
          const both = [2, 3].map((number) => session.step({ step: number, learningRate: 0.01, batch }))
          return [first, ...(await Promise.all(both)).map(({ loss }) => loss)]
        }
        const [alone, queued] = [await losses(false), await losses(true)]
        for (const [index, loss] of alone.entries()) {
          expectClose(queued[index]!, loss, 5e-7, `the loss of step ${index + 1}`)
        }
      },
    ],
  ]
  return cases.map(([name, run]) => ({ group: 'training', name, run }))
}
