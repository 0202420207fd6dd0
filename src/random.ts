import { ElenchusError } from './errors.ts'

/**
 * Seeded randomness, the same on every machine and in every version: what a seed once gave, it gives
 * for ever (golden tests hold it). Pure; not for secrets.
 */

/**
 * A seed for one purpose, from a run's seed and the names of that purpose.
 *
 * MurmurHash3 (x86, 32 bits) of the UTF-8 bytes of `JSON.stringify([seed, ...parts])`, which is
 * injective: `('a', 1)`, `('a1')` and `('a', '1')` are three purposes.
 *
 * @param seed any safe integer.
 * @param parts strings, or safe integers.
 * @returns an integer in [0, 2^32).
 * @throws ElenchusError `config_invalid` if a number is not a safe integer.
 */
export function deriveSeed(seed: number, ...parts: (string | number)[]): number {
  const key = [seed, ...parts]
  for (const part of key) {
    if (typeof part === 'number' && !Number.isSafeInteger(part)) {
      throw new ElenchusError('config_invalid', `A seed is made of integers and names, not of ${part}.`)
    }
  }
  return murmur3(new TextEncoder().encode(JSON.stringify(key)))
}

/** xoshiro128** 1.1 (Blackman and Vigna), its state filled from a 32-bit seed by SplitMix32. */
export class Rng {
  #a: number
  #b: number
  #c: number
  #d: number

  /** @param seed an integer in [0, 2^32), such as {@link deriveSeed} gives. */
  constructor(seed: number) {
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) {
      throw new ElenchusError('config_invalid', `A generator's seed is an integer in [0, 2^32), not ${seed}.`)
    }
    let counter = seed
    const splitMix = (): number => {
      counter = (counter + 0x9e37_79b9) >>> 0
      return finalMix(counter)
    }
    this.#a = splitMix()
    this.#b = splitMix()
    this.#c = splitMix()
    this.#d = splitMix()
  }

  /** Uniform in [0, 1), with 53 random bits. */
  next(): number {
    const high = this.#uint32() >>> 5
    const low = this.#uint32() >>> 6
    return (high * 2 ** 26 + low) / 2 ** 53
  }

  /** Uniform in 0..n-1, without modulo bias; `n` in 1..2^32. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 2 ** 32) {
      throw new ElenchusError('internal', `Rng.int: n must be in 1..2^32, not ${n}.`)
    }
    let value = this.#uint32()
    // The largest multiple of n within 2^32 lies above 2^32 - n, so most draws need not compute it.
    if (value > 2 ** 32 - n) {
      const limit = 2 ** 32 - (2 ** 32 % n)
      while (value >= limit) value = this.#uint32()
    }
    // value % n; exact, since a quotient below 2^32 cannot round up to the next integer, and twice as fast.
    return value - Math.floor(value / n) * n
  }

  /** One of the items; there must be at least one. */
  pick<T>(items: readonly T[]): T {
    return items[this.int(items.length)]!
  }

  /** The items in random order (Fisher-Yates), as a new array. */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items]
    for (let last = shuffled.length - 1; last > 0; last--) {
      const other = this.int(last + 1)
      const item = shuffled[last]!
      shuffled[last] = shuffled[other]!
      shuffled[other] = item
    }
    return shuffled
  }

  #uint32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0
    const shifted = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= shifted
    this.#d = rotateLeft(this.#d, 11)
    return result
  }
}

/** MurmurHash3_x86_32 (Appleby) with seed 0; the result is in [0, 2^32). */
function murmur3(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const blocks = bytes.length - (bytes.length % 4)
  let hash = 0
  for (let i = 0; i < blocks; i += 4) {
    hash ^= scramble(view.getInt32(i, true))
    hash = (Math.imul(rotateLeft(hash, 13), 5) + 0xe654_6b64) | 0
  }
  let tail = 0
  for (let i = bytes.length - 1; i >= blocks; i--) tail = (tail << 8) | view.getUint8(i)
  return finalMix(hash ^ scramble(tail) ^ bytes.length)
}

/** The finaliser of MurmurHash3, a bijection of 32-bit integers; the result is in [0, 2^32). */
function finalMix(value: number): number {
  let z = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b)
  z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35)
  return (z ^ (z >>> 16)) >>> 0
}

function scramble(block: number): number {
  return Math.imul(rotateLeft(Math.imul(block, 0xcc9e_2d51), 15), 0x1b87_3593)
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}
