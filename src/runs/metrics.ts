import { JsonlWriter } from './jsonl.ts'

/** One row of `metrics.jsonl`. */
export interface MetricsRow {
  readonly step: number
  readonly [name: string]: number | string | boolean | null
}

/**
 * `metrics.jsonl` of a stage that goes in steps. Opened again after a kill, rows behind the checkpoint
 * that the stage continues from are cut, since those steps are done again.
 */
export class MetricsWriter implements AsyncDisposable {
  readonly #writer: JsonlWriter

  private constructor(writer: JsonlWriter) {
    this.#writer = writer
  }

  /** @param options.afterStep the last step that is not done again: the checkpoint's, or 0. */
  static async open(path: string, options: { readonly afterStep: number }): Promise<MetricsWriter> {
    const keepWhile = (row: unknown): boolean => stepOf(row) <= options.afterStep
    return new MetricsWriter(await JsonlWriter.open(path, { resume: true, keepWhile }))
  }

  /** Rows are buffered for a second at most; errors as in {@link JsonlWriter.write}. */
  async write(row: MetricsRow): Promise<void> {
    await this.#writer.write(row)
  }

  /** To be called before a checkpoint is written, so that no row before it can be lost. */
  async flush(): Promise<void> {
    await this.#writer.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]()
  }
}

/** A row without a step can only be foreign: it counts as behind every checkpoint. */
function stepOf(row: unknown): number {
  const step = typeof row === 'object' && row !== null && 'step' in row ? row.step : undefined
  return typeof step === 'number' ? step : Number.POSITIVE_INFINITY
}
