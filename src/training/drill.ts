import type { TrainBatch } from '../backends/backend.ts'
import type { DrillConfig } from '../config/model.ts'
import { deriveSeed, Rng } from '../random.ts'

/**
 * One batch of the copy drill: records of random tokens, then replays of some of them. A record is a key of its
 * own, a few middle tokens that the records of a row share, and a value of its own. The targets are a replayed
 * record's tokens after its key: the only way to predict them is to find where the last few tokens stood before
 * and to copy what followed (an induction head; Olsson et al. 2022), which every proof step needs.
 *
 * The middle is shared so that matching one token is never enough: in a proof, "red." stands behind several
 * concepts, and which index follows is decided two or three tokens earlier.
 *
 * @param ids the tokens to draw from, at least `2 * records + middle_pool` of them.
 */
export function drillBatch(
  config: DrillConfig,
  options: { readonly ids: readonly number[]; readonly seed: number; readonly step: number },
): TrainBatch {
  const rng = new Rng(deriveSeed(options.seed, 'drill', options.step))
  const rows = Array.from({ length: config.batch_size }, () => {
    const records = drawRecords(config, options.ids, rng)
    const ids = records.flat()
    const targets = ids.map(() => 0)
    for (let replay = 0; replay < config.replays; replay++) {
      const record = rng.pick(records)
      ids.push(...record)
      targets.push(...record.map((_, index) => (index === 0 ? 0 : 1)))
    }
    return { ids: Int32Array.from(ids), targets: Uint8Array.from(targets) }
  })
  return { kind: 'tokens', rows }
}

function drawRecords(config: DrillConfig, ids: readonly number[], rng: Rng): number[][] {
  const tokens = rng.shuffle(ids)
  const pool = tokens.slice(0, config.middle_pool)
  const [shortest, longest] = config.middle_length
  return Array.from({ length: config.records }, (_, index) => {
    const place = config.middle_pool + 2 * index
    const length = shortest + rng.int(longest - shortest + 1)
    const middle = Array.from({ length }, () => rng.pick(pool))
    return [...tokens.slice(place, place + 1), ...middle, ...tokens.slice(place + 1, place + 2)]
  })
}
