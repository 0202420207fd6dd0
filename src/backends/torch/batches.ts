import { packIds } from '../../bridge/protocol/blobs.ts'
import type { OpMap } from '../../bridge/protocol/ops.ts'
import type { TrainBatch, Trajectory } from '../backend.ts'

type WireBatch = OpMap['train.step']['request']['batch']
type WireBlobs = OpMap['train.step']['requestBlobs']

/** A batch as it travels: the body of `train.step` and its blobs. */
export function wireBatch(batch: TrainBatch): { readonly batch: WireBatch; readonly blobs: WireBlobs } {
  switch (batch.kind) {
    case 'sft':
      return {
        batch: {
          type: 'sft',
          prompts: batch.examples.map(({ prompt }) => prompt),
          completions: batch.examples.map(({ completion }) => completion),
          append_eos: true,
          max_length: batch.maxLength,
        },
        blobs: {},
      }
    case 'tokens':
      return {
        batch: { type: 'lm_ids' },
        blobs: {
          ...packIds(batch.rows.map(({ ids }) => ids)),
          target_mask: Uint8Array.from(batch.rows.flatMap(({ targets }) => [...targets])),
        },
      }
    case 'dpo': {
      const { prompts, rows } = byPrompt(batch.trajectories)
      return {
        batch: {
          type: 'dpo',
          prompts,
          rows,
          pairs: batch.pairs.map(({ chosen, rejected }) => [chosen, rejected]),
          loss: batch.loss.kind,
          beta: batch.loss.beta,
          label_smoothing: batch.loss.labelSmoothing,
          nll_coef: batch.loss.nllCoef,
          length_normalised: batch.loss.lengthNormalised,
          max_length: batch.maxLength,
        },
        blobs: {
          ...packIds(batch.trajectories.map(({ ids }) => ids)),
          reference_sums: batch.referenceSums,
        },
      }
    }
  }
}

/** Each distinct prompt once, and which of them every trajectory has. */
export function byPrompt(trajectories: readonly Trajectory[]): { prompts: string[]; rows: number[] } {
  const places = new Map<string, number>()
  const rows = trajectories.map(({ prompt }) => {
    const place = places.get(prompt) ?? places.size
    places.set(prompt, place)
    return place
  })
  return { prompts: [...places.keys()], rows }
}
