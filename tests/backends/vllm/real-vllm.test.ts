import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Completion, GenerateOptions, ModelBackend, PolicyRef } from '../../../src/backends/backend.ts'
import { createTorchBackend, type TorchBackend } from '../../../src/backends/torch/torch.ts'
import { createVllmBackend } from '../../../src/backends/vllm/vllm.ts'
import { spawnLauncher } from '../../../src/bridge/launchers/spawn.ts'
import { generateProblems } from '../../../src/problems/generator/generate.ts'
import { renderProofPrompt } from '../../../src/prompts/proof.ts'
import { collect } from '../../../src/testing/expect.ts'
import { makeTinyProver } from '../../support/tiny-prover.ts'
import { describeConformance } from '../conformance.ts'

/** The user's own, for example /opt/vllm/bin/vllm; without it there is nothing to test here. */
const PROGRAM = process.env['ELENCHUS_VLLM']
const PROMPTS = generateProblems({ count: 12, seed: 2, split: 'held_out', hops: [1] }).map((problem) =>
  renderProofPrompt(problem),
)
/** Rounding of other kernels, in float32. */
const GAP = 1e-3

/** vLLM itself, beside our own workers with the same model. */
describe.skipIf(PROGRAM === undefined)('the vLLM of $ELENCHUS_VLLM', { timeout: 900_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'elenchus-real-vllm-'))
  let vllm: ModelBackend
  let torch: TorchBackend
  let policies: readonly PolicyRef[]

  beforeAll(async () => {
    // Its attention knows no heads smaller than that.
    const model = await makeTinyProver(folder, { head_dim: 32 })
    torch = createTorchBackend({
      model,
      dtype: 'float32',
      engine: 'auto',
      deterministic: false,
      trustRemoteCode: false,
      launcher: spawnLauncher({ devices: 'cpu', threads: 1 }),
      logDirectory: join(folder, 'logs'),
    })
    const { fingerprint } = await torch.info()
    policies = [{ kind: 'base', fingerprint }, await trainAdapter()]
    const command = [PROGRAM ?? ''] as const
    vllm = await createVllmBackend({ model, command, dtype: 'float32', logDirectory: join(folder, 'logs') })
  }, 900_000)
  afterAll(async () => {
    await vllm?.[Symbol.asyncDispose]()
    await torch?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  /** Far enough from the base that nobody can take one for the other. */
  async function trainAdapter(): Promise<PolicyRef> {
    await using session = await torch.openTraining({
      algorithm: 'sft',
      target: {
        kind: 'new-adapter',
        lora: { rank: 12, alpha: 24, dropout: 0, targetModules: 'all-linear' },
      },
      optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
      microBatchTokens: 8192,
      gradientCheckpointing: false,
      seed: 1,
    })
    const examples = PROMPTS.map((prompt) => ({ prompt, completion: 'Thought: Max is a wumpus. [0]\n' }))
    for (let step = 1; step <= 30; step += 1) {
      const batch = { kind: 'sft', examples, maxLength: 512 } as const
      await session.step({ step, learningRate: 0.01, batch })
    }
    return session.save(join(folder, 'adapter'))
  }

  describeConformance('vllm', { score: false, train: false, seeds: true }, () => ({
    backend: vllm,
    prompts: ['Premises:\n', 'Thought: '],
    folder: '',
  }))

  async function completions(
    backend: ModelBackend,
    changes: Partial<GenerateOptions> & Pick<GenerateOptions, 'policy'>,
  ): Promise<Completion[]> {
    const requests = PROMPTS.map((prompt, seed) => ({ key: `${seed}`, prompt, seed }))
    const options = { temperature: 0, topP: 1, maxNewTokens: 90, stops: [], ...changes }
    const found = await collect(backend.generate(requests, options))
    return found.sort((a, b) => Number(a.key) - Number(b.key))
  }

  const LIMITS: readonly [string, Partial<GenerateOptions>][] = [
    ['to its end', {}],
    ['counted stops', { stops: [{ name: 'steps', pattern: String.raw`Action:[^\n]*\n`, count: 1 }] }],
    ['a stop inside a token', { stops: [{ name: 'line', pattern: String.raw`\n`, count: 1 }] }],
    ['segments', { segment: { boundary: 'Action:', maxTokens: 9 } }],
    ['more tokens than its context has', { maxNewTokens: 5000 }],
  ]

  test.each(LIMITS)('greedy, by base and adapter: %s', async (_, limits) => {
    for (const policy of policies) {
      const [own, other] = [
        await completions(torch, { ...limits, policy }),
        await completions(vllm, { ...limits, policy }),
      ]
      // Of equal logits either is right: none may differ but for that, and none was seen to.
      expect(other.map(told)).toEqual(own.map(told))
    }
  })

  test('the adapter is another policy than the base', async () => {
    const [base, adapter] = await Promise.all(
      policies.map(async (policy) => (await completions(vllm, { policy })).map(({ text }) => text)),
    )
    expect(base).not.toEqual(adapter)
  })

  test.each([0.7, 1, 1.6])(
    'log-probabilities at temperature %d are those that torch scores',
    async (temperature) => {
      for (const policy of policies) {
        const sampled = await completions(vllm, { policy, temperature })
        const trajectories = sampled.map(({ ids }, index) => ({
          prompt: PROMPTS[index] ?? '',
          ids: ids ?? new Int32Array(0),
        }))
        const scores = await torch.score(trajectories, { policy, temperature })
        const gaps = scores.flatMap(({ logprobs }, index) =>
          [...logprobs].map((value, at) => Math.abs(value - (sampled[index]?.logprobs?.[at] ?? Number.NaN))),
        )
        expect(gaps.length).toBeGreaterThan(50)
        const widest = Math.max(...gaps)
        process.stderr.write(`temperature ${temperature}: ${gaps.length} tokens, widest gap ${widest}\n`)
        expect(widest).toBeLessThan(GAP)
      }
    },
  )

  test('within top-p they are of what was left to choose from', async () => {
    for (const policy of policies) {
      const asked = { policy, temperature: 1.6, topP: 0.5 }
      const narrow = await completions(vllm, asked)
      const scores = await torch.score(
        narrow.map(({ ids }, index) => ({ prompt: PROMPTS[index] ?? '', ids: ids ?? new Int32Array(0) })),
        { policy, temperature: 1.6 },
      )
      for (const [index, { logprobs }] of scores.entries()) {
        for (const [at, value] of logprobs.entries()) {
          // At least half of the mass was left: a token gained at most a factor of two, and lost nothing.
          const gain = (narrow[index]?.logprobs?.[at] ?? Number.NaN) - value
          expect(gain).toBeGreaterThan(-GAP)
          expect(gain).toBeLessThan(Math.log(2) + GAP)
        }
      }
    }
  })
})

function told({ text, ids, finishReason, stopName, promptTokens }: Completion): unknown {
  return { text, ids: [...(ids ?? [])], finishReason, stopName, promptTokens }
}
