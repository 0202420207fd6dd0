import type { TrainBatch } from '../backends/backend.ts'
import { deriveSeed, Rng } from '../random.ts'

/**
 * One batch of the copy drill: a random run of tokens, then the same run again. Only the second half is a
 * target, so what is learned is to find a token's earlier occurrence and copy what followed (an induction
 * head; Olsson et al. 2022), which every proof step needs.
 *
 * @param vocabulary ids are drawn from [0, vocabulary).
 */
export function drillBatch(options: {
  readonly vocabulary: number
  readonly batchSize: number
  /** Tokens per row, both halves together. */
  readonly length: number
  readonly seed: number
  readonly step: number
}): TrainBatch {
  const rng = new Rng(deriveSeed(options.seed, 'drill', options.step))
  const half = Math.floor(options.length / 2)
  const rows = Array.from({ length: options.batchSize }, () => {
    const ids = new Int32Array(2 * half)
    for (let index = 0; index < half; index++) {
      ids[index] = rng.int(options.vocabulary)
      ids[half + index] = ids[index] ?? 0
    }
    return { ids, targets: Uint8Array.from(ids, (_, index) => (index >= half ? 1 : 0)) }
  })
  return { kind: 'tokens', rows }
}
