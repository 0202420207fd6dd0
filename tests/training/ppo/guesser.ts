import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TorchBackend } from '../../../src/backends/torch/torch.ts'
import { plainSftSchema } from '../../../src/config/training.ts'
import type { ArithmeticQuestion } from '../../../src/problems/arithmetic/question.ts'
import { renderSolution } from '../../../src/problems/arithmetic/solution.ts'
import { renderAbelPrompt } from '../../../src/prompts/abel.ts'
import { runSft } from '../../../src/training/sft.ts'

/** Writes a random model whose tokens are the words of the questions, and makes it the base. */
export async function makeRandomModel(
  backend: TorchBackend,
  path: string,
  questions: readonly ArithmeticQuestion[],
): Promise<void> {
  const textsPath = `${path}-texts.jsonl`
  const texts = questions.map(({ question, answer }) => renderAbelPrompt(question) + answer)
  await writeFile(textsPath, texts.map((text) => `${JSON.stringify(text)}\n`).join(''))
  await backend.createTinyModel({
    path,
    textsPath,
    phrasePatterns: [' ?[A-Za-z]+', String.raw` ?\d+`],
    architecture: {
      hidden_size: 32,
      num_layers: 1,
      num_heads: 2,
      intermediate_size: 64,
      max_positions: 256,
      rope_theta: 100,
      tie_embeddings: true,
      attention_bias: false,
      initializer_range: 0.2,
    },
    seed: 1,
  })
  await backend.switchModel(path)
}

/**
 * A model that guesses: it has learned to answer `#### N` and which N occur, and hardly more. Some guesses are
 * right. Returns its folder.
 */
export async function makeGuesser(
  backend: TorchBackend,
  folder: string,
  questions: readonly ArithmeticQuestion[],
): Promise<string> {
  await makeRandomModel(backend, join(folder, 'random'), questions)
  const { fingerprint } = await backend.info()
  const dir = join(folder, 'guesser')
  await runSft(
    { backend, events: () => {}, resume: false },
    {
      dir,
      config: plainSftSchema.parse({ lora: null, max_steps: 60, batch_size: 8, learning_rate: 1e-2 }),
      seed: 1,
      // Every question with every answer: nothing to learn but which answers there are.
      examples: questions.flatMap(({ question }) =>
        questions.map(({ steps = [] }) => ({
          prompt: renderAbelPrompt(question),
          completion: renderSolution(steps, 'bare'),
        })),
      ),
      dataFingerprint: 'questions',
      start: { kind: 'base', fingerprint },
    },
  )
  const model = join(dir, 'final')
  await backend.switchModel(model)
  return model
}
