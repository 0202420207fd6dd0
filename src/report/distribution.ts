/** A list of numbers, as a reader wants to see it. */
export interface Distribution {
  readonly n: number
  readonly min: number
  readonly p10: number
  readonly median: number
  readonly p90: number
  readonly max: number
  readonly mean: number
  /** Of equal width, ascending; values on an inner border belong to the upper bin. */
  readonly bins: readonly { readonly low: number; readonly high: number; readonly count: number }[]
}

/** @returns null for no numbers: nothing is not zero. */
export function distributionOf(values: readonly number[], bins = 20): Distribution | null {
  const sorted = Float64Array.from(values).sort()
  const [min, max] = [sorted[0], sorted.at(-1)]
  if (min === undefined || max === undefined) return null
  let sum = 0
  for (const value of sorted) sum += value
  return {
    n: sorted.length,
    min,
    p10: quantile(sorted, 0.1),
    median: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    max,
    mean: sum / sorted.length,
    bins: histogram(sorted, min, max, bins),
  }
}

/** By linear interpolation (type 7 of Hyndman and Fan 1996). */
function quantile(sorted: Float64Array, q: number): number {
  const position = (sorted.length - 1) * q
  const below = Math.floor(position)
  const low = sorted[below]!
  return low + (sorted[Math.min(below + 1, sorted.length - 1)]! - low) * (position - below)
}

function histogram(sorted: Float64Array, min: number, max: number, bins: number): Distribution['bins'] {
  if (min === max) return [{ low: min, high: max, count: sorted.length }]
  // Counts of whole things get bins of whole width, so that none is empty for arithmetic's sake.
  const whole = sorted.every((value) => Number.isInteger(value))
  const width = whole ? Math.ceil((max - min + 1) / bins) : (max - min) / bins
  const count = whole ? Math.floor((max - min) / width) + 1 : bins
  const counts = new Uint32Array(count)
  for (const value of sorted) counts[Math.min(count - 1, Math.floor((value - min) / width))]!++
  return Array.from(counts, (each, index) => ({
    low: min + index * width,
    high: min + (index + 1) * width,
    count: each,
  }))
}
