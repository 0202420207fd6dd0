import { ElenchusError } from '../errors.ts'

/** What {@link OrderedWriter} writes to; a `JsonlWriter` fits. */
export interface RecordSink {
  write(record: unknown): Promise<void>
}

/**
 * Brings results that finish in any order into index order, with bounded memory: who is more than
 * `capacity` indices ahead of the next one waits, the next one itself never does. Each index may stand
 * for several records (the samples of one problem), which are written together, or for none.
 */
export class OrderedWriter {
  readonly #sink: RecordSink
  readonly #capacity: number
  #next: number
  /** Held back, or being written. */
  readonly #ready = new Map<number, readonly unknown[]>()
  /** Put and not yet written, those that wait included. */
  readonly #unwritten = new Set<number>()
  #writing = false
  #failure: { readonly error: unknown } | undefined
  /** Wake everybody who waits for `next` to move, or for a failure. */
  #wake: (() => void)[] = []

  /**
   * @param options.next the first index to come; those before it are on disk already.
   * @param options.capacity how many indices may be held back, at least 0.
   */
  constructor(sink: RecordSink, options: { readonly next: number; readonly capacity: number }) {
    this.#sink = sink
    this.#next = options.next
    this.#capacity = options.capacity
  }

  /** The index that is written next: everything before it has been handed to the sink. */
  get next(): number {
    return this.#next
  }

  /**
   * Resolves when the records are accepted: written, or held back within the capacity.
   *
   * @throws ElenchusError `internal` if the index has been put before; whatever the sink throws, also
   *   for records of other indices.
   */
  async put(index: number, records: readonly unknown[]): Promise<void> {
    this.#throwFailure()
    if (index < this.#next || this.#unwritten.has(index)) {
      throw new ElenchusError('internal', `The records of index ${index} were put twice.`)
    }
    this.#unwritten.add(index)
    while (index > this.#next + this.#capacity) await this.#change()
    this.#ready.set(index, records)
    if (index !== this.#next) return
    void this.#writeReady()
    while (index >= this.#next) await this.#change()
  }

  /**
   * To be called when all is put.
   *
   * @param options.aborted the run was stopped: what waits behind a gap is dropped, to be made again.
   * @throws ElenchusError `internal` if an index is missing; the sink's failure.
   */
  async close(options: { readonly aborted?: boolean } = {}): Promise<void> {
    while (this.#writing) await this.#change()
    this.#throwFailure()
    if (options.aborted === true) {
      this.#fail(new ElenchusError('cancelled', 'The run was stopped.'))
    } else if (this.#unwritten.size > 0) {
      const later = `${this.#unwritten.size} later ones wait for them`
      throw new ElenchusError('internal', `The records of index ${this.#next} are missing; ${later}.`)
    }
  }

  /** Writes what is ready, in order. Runs once at a time: only putting the next index starts it. */
  async #writeReady(): Promise<void> {
    this.#writing = true
    try {
      for (let records = this.#ready.get(this.#next); records; records = this.#ready.get(this.#next)) {
        for (const record of records) await this.#sink.write(record)
        this.#ready.delete(this.#next)
        this.#unwritten.delete(this.#next)
        this.#next++
        this.#wakeAll()
      }
      this.#writing = false
      this.#wakeAll()
    } catch (error) {
      this.#writing = false
      this.#fail(error)
    }
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => this.#wake.push(resolve))
    this.#throwFailure()
  }

  #wakeAll(): void {
    const waiting = this.#wake
    this.#wake = []
    for (const wake of waiting) wake()
  }

  #fail(error: unknown): void {
    this.#failure = { error }
    this.#wakeAll()
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }
}
