import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTorchBackend } from '../../src/backends/torch/torch.ts'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'
import { generateProblems } from '../../src/problems/generator/generate.ts'
import { sftExamples } from '../../src/pipelines/oak/demonstrations.ts'

const PHRASES = [
  String.raw`Premises:\n`,
  String.raw`\nQuery: `,
  String.raw`\nProof:\n`,
  'Thought: ',
  String.raw`Every \w+`,
  String.raw` is (?:not )?(?:an? )?\w+\.`,
  String.raw` \[\d+\]`,
  String.raw`\nAction: <Option type="\w+" args="\[`,
  String.raw`\]" />\n`,
]

/**
 * Writes a model that has seen enough proofs to write down something like one: made and trained on the spot in
 * some seconds. Its proofs are mostly wrong; they end where proofs end.
 */
export async function makeTinyProver(
  folder: string,
  architecture: { readonly head_dim?: number } = {},
): Promise<string> {
  const problems = generateProblems({ count: 64, seed: 1, split: 'train', hops: [1] })
  const examples = sftExamples(problems, { careless_share: 0, swap_share: 0, guess_share: 0 }, 1)
  const fresh = join(folder, 'fresh')
  await using backend = createTorchBackend({
    model: fresh,
    dtype: 'float32',
    engine: 'auto',
    deterministic: true,
    trustRemoteCode: false,
    launcher: spawnLauncher({ devices: 'cpu', threads: 1 }),
    logDirectory: join(folder, 'logs'),
  })
  const textsPath = join(folder, 'texts.jsonl')
  const texts = examples.map(({ prompt, completion }) => `${JSON.stringify(prompt + completion)}\n`)
  writeFileSync(textsPath, texts.join(''))
  await backend.createTinyModel({
    path: fresh,
    textsPath,
    phrasePatterns: PHRASES,
    architecture: {
      hidden_size: 32,
      num_layers: 2,
      num_heads: 2,
      intermediate_size: 64,
      max_positions: 512,
      rope_theta: 100,
      tie_embeddings: true,
      attention_bias: false,
      initializer_range: 0.1,
      ...architecture,
    },
    seed: 1,
  })
  const model = join(folder, 'prover')
  await using session = await backend.openTraining({
    algorithm: 'sft',
    target: { kind: 'full' },
    optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, maxGradNorm: 1 },
    microBatchTokens: 8192,
    gradientCheckpointing: false,
    seed: 1,
  })
  for (let step = 1; step <= 60; step += 1) {
    const at = (step * 16) % examples.length
    const batch = { kind: 'sft', examples: examples.slice(at, at + 16), maxLength: 512 } as const
    await session.step({ step, learningRate: 0.01, batch })
  }
  await session.save(model)
  return model
}
