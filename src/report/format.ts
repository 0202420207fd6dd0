import type { Estimate } from '../evaluation/statistics.ts'
import { html, type Html } from './html.ts'

/** A share as per cent, one decimal. */
export function percent(value: number): string {
  return (100 * value).toFixed(1)
}

/** A share with its 95 % interval, in per cent; a dash where there was nothing to measure. */
export function share(estimate: Estimate | null): Html {
  if (estimate === null) return html`<span class="none">–</span>`
  const { low, high } = estimate
  const interval = low === null || high === null ? '' : ` [${percent(low)}, ${percent(high)}]`
  return html`${percent(estimate.value)}<small>${interval}</small>`
}

/** A difference of shares in points, with its sign. */
export function points(estimate: Estimate): Html {
  const signed = (value: number): string => `${value < 0 ? '−' : '+'}${percent(Math.abs(value))}`
  const { low, high } = estimate
  const interval = low === null || high === null ? '' : ` [${signed(low)}, ${signed(high)}]`
  return html`${signed(estimate.value)}<small>${interval}</small>`
}

/** Up to four significant digits; very small and very large numbers with an exponent. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value)
  const size = Math.abs(value)
  return size !== 0 && (size < 1e-3 || size >= 1e7)
    ? value.toExponential(1)
    : String(Number(value.toPrecision(4)))
}

export function seconds(value: number): string {
  if (value < 60) return `${value.toFixed(1)} s`
  const whole = Math.round(value)
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  return hours > 0 ? `${hours} h ${minutes} min` : `${minutes} min ${rest} s`
}

/** "a 3, b 2", greatest first. */
export function counts(record: Readonly<Record<string, number>>): string {
  return Object.entries(record)
    .toSorted(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
