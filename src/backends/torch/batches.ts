import { packIds } from '../../bridge/protocol/blobs.ts'
import type { OpMap } from '../../bridge/protocol/ops.ts'
import type { PpoSample, TrainBatch, Trajectory } from '../backend.ts'

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
    case 'ppo':
      return ppoBatch(batch)
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

function ppoBatch({ samples, loss, maxLength }: Extract<TrainBatch, { kind: 'ppo' }>): {
  readonly batch: WireBatch
  readonly blobs: WireBlobs
} {
  const trajectories = samples.map(({ trajectory }) => trajectory)
  const { prompts, rows } = byPrompt(trajectories)
  return {
    batch: {
      type: 'ppo',
      prompts,
      rows,
      max_length: maxLength,
      temperature: loss.temperature,
      clip_low: loss.clipLow,
      clip_high: loss.clipHigh,
      value_clip: loss.valueClip,
      value_coef: loss.valueCoef,
      value_learning_rate: loss.valueLearningRate,
      entropy_coef: loss.entropyCoef,
      kl_coef: loss.klCoef,
      value_only: loss.valueOnly,
      max_kl: loss.maxKl,
    },
    blobs: {
      ...packIds(trajectories.map(({ ids }) => ids)),
      old_logprobs: joined(samples, (sample) => sample.oldLogprobs),
      advantages: joined(samples, (sample) => sample.advantages),
      returns: joined(samples, (sample) => sample.critic?.returns),
      old_values: joined(samples, (sample) => sample.critic?.oldValues),
      reference_logprobs: joined(samples, (sample) => sample.referenceLogprobs),
    },
  }
}

/** One array of all samples, or none where they have none. */
function joined(
  samples: readonly PpoSample[],
  column: (sample: PpoSample) => Float32Array | undefined,
): Float32Array | undefined {
  const rows = samples.flatMap((sample) => column(sample) ?? [])
  if (rows.length === 0) return undefined
  const flat = new Float32Array(rows.reduce((sum, row) => sum + row.length, 0))
  let at = 0
  for (const row of rows) {
    flat.set(row, at)
    at += row.length
  }
  return flat
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
