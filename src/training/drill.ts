import type { TrainBatch } from '../backends/backend.ts'
import type { DrillConfig } from '../config/model.ts'
import { deriveSeed, Rng } from '../random.ts'

/**
 * One batch of the copy drill: a source of random tokens, then spans of it from random places. The targets are
 * a span's tokens after its first one, so the only way to predict them is to find where the previous tokens
 * stood before and to copy what followed (an induction head; Olsson et al. 2022), which every proof step
 * needs. A source repeated with a fixed period would be solved by counting positions; one of distinct tokens
 * by matching a single token, where proofs need two or three ("red." after which concept?), hence recurrence,
 * once matching one token has been learned.
 *
 * @param ids the tokens to draw from; at least `source_length` of them.
 */
export function drillBatch(
  config: DrillConfig,
  options: { readonly ids: readonly number[]; readonly seed: number; readonly step: number },
): TrainBatch {
  const rng = new Rng(deriveSeed(options.seed, 'drill', options.step))
  const [shortest, longest] = config.span_length
  const recurrence = options.step > config.recurrence_after ? config.recurrence : 0
  const rows = Array.from({ length: config.batch_size }, () => {
    const source = drawSource(config, options.ids, recurrence, rng)
    const ids = [...source]
    const targets = source.map(() => 0)
    for (let span = 0; span < config.spans; span++) {
      const length = shortest + rng.int(longest - shortest + 1)
      const start = rng.int(config.source_length - length + 1)
      ids.push(...source.slice(start, start + length))
      targets.push(...Array.from({ length }, (_, index) => (index === 0 ? 0 : 1)))
    }
    return { ids: Int32Array.from(ids), targets: Uint8Array.from(targets) }
  })
  return { kind: 'tokens', rows }
}

/** Distinct tokens, of which some are then overwritten with the token of another place. */
function drawSource(config: DrillConfig, ids: readonly number[], recurrence: number, rng: Rng): number[] {
  const distinct = rng.shuffle(ids).slice(0, config.source_length)
  return distinct.map((id) => (rng.next() < recurrence ? rng.pick(distinct) : id))
}
