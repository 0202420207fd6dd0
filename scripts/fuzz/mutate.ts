/** Random changes to the frames of a message; the same random numbers give the same changes. */
export type Random = () => number

/** mulberry32: small, and good enough to pick bytes. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function pick<Item>(random: Random, items: readonly [Item, ...Item[]]): Item {
  return items[Math.floor(random() * items.length)] ?? items[0]
}

function below(random: Random, limit: number): number {
  return Math.floor(random() * limit)
}

function copyOf(frames: readonly Uint8Array[]): Uint8Array[] {
  return frames.map((frame) => Uint8Array.from(frame))
}

/** Lengths and extensions of msgpack that claim much more than is there. */
const CLAIMS: readonly [readonly number[], ...(readonly number[])[]] = [
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdf, 0xff, 0xff, 0xff, 0xff],
  [0xdb, 0x7f, 0xff, 0xff, 0xff],
  [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0xc9, 0x00, 0x00, 0x00, 0xff, 0x72],
  [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
]

const MUTATIONS: readonly [Mutation, ...Mutation[]] = [
  function flipsBits(random, frames) {
    const frame = frames[below(random, frames.length)] ?? new Uint8Array()
    const flips = frame.length === 0 ? 0 : 1 + below(random, 8)
    for (let flip = 0; flip < flips; flip += 1) {
      const at = below(random, frame.length)
      frame[at] = (frame[at] ?? 0) ^ (1 << below(random, 8))
    }
    return frames
  },
  function truncates(random, frames) {
    const at = below(random, frames.length)
    return frames.map((frame, index) =>
      index === at ? frame.subarray(0, below(random, frame.length + 1)) : frame,
    )
  },
  function claimsMore(random, frames) {
    const [header = new Uint8Array(), ...rest] = frames
    const at = below(random, header.length + 1)
    const claim = pick(random, CLAIMS)
    return [Uint8Array.from([...header.subarray(0, at), ...claim, ...header.subarray(at)]), ...rest]
  },
  function addsAFrame(random, frames) {
    const extra = new Uint8Array(pick(random, [0, 1, 100, (1 << 20) + 1]))
    const at = below(random, frames.length + 1)
    return [...frames.slice(0, at), extra, ...frames.slice(at)]
  },
  function losesAFrame(random, frames) {
    const at = below(random, frames.length)
    return frames.filter((_, index) => index !== at)
  },
  function isNoise(random) {
    return [Uint8Array.from({ length: below(random, 200) }, () => below(random, 256))]
  },
  function nestsDeeply(random) {
    return [new Uint8Array(1 + below(random, 100_000)).fill(pick(random, [0x91, 0x81]))]
  },
  function repeatsABlock(random, frames) {
    const [header = new Uint8Array(), ...rest] = frames
    const from = below(random, header.length)
    const block = header.subarray(from, from + below(random, 40))
    return [Uint8Array.from([...header, ...block, ...block]), ...rest]
  },
]

type Mutation = (random: Random, frames: Uint8Array[]) => Uint8Array[]

/** The frames with one to three changes. */
export function mutated(random: Random, frames: readonly Uint8Array[]): readonly Uint8Array[] {
  let changed = copyOf(frames)
  for (let changes = 1 + below(random, 3); changes > 0; changes -= 1) {
    changed = pick(random, MUTATIONS)(random, changed)
  }
  return changed
}
