/** A row of `metrics.jsonl`. */
export type Row = Readonly<Record<string, unknown>>

/**
 * Takes the metrics of one run elsewhere. `metrics.jsonl` is the truth; a sink is made from it, so that it can neither
 * miss a row nor have one twice, whatever was killed when.
 */
export interface MetricsSink {
  /**
   * Brings a stage up to date.
   * @param rows all rows of the stage so far, in order: after a resume there may be fewer than before.
   */
  update(stage: string, rows: readonly Row[]): Promise<void>
  /** Everything is where it belongs when this is done. */
  close(): Promise<void>
}

/** The numbers of a row, its step apart. */
export function numbersOf(row: Row): { readonly step: number; readonly values: [string, number][] } {
  const values = Object.entries(row).flatMap(([name, value]): [string, number][] =>
    name !== 'step' && typeof value === 'number' && Number.isFinite(value) ? [[name, value]] : [],
  )
  return { step: typeof row['step'] === 'number' ? row['step'] : 0, values }
}
