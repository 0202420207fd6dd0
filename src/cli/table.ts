import type { Estimate } from '../evaluation/statistics.ts'

/** A plain text table: first column left-aligned, the others right-aligned. */
export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? ''
        return column === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  ')
      .trimEnd()
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n')
}

/** A share in [0, 1] as a percentage with one decimal; `-` where there is nothing to take a share of. */
export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? '-' : (100 * share).toFixed(1)
}

/** An estimate in percent with its interval, as `81.0 [76.2, 85.0]`. */
export function withInterval(estimate: Estimate | null): string {
  if (estimate === null) return '-'
  const { value, low, high } = estimate
  return low === null || high === null
    ? percent(value)
    : `${percent(value)} [${percent(low)}, ${percent(high)}]`
}
