/**
 * Events between the socket and one consumer.
 *
 * It does not bound itself: a worker sends at most as many events as the request holds credits, and
 * a credit is given back (`onTaken`) only when its event has been taken here.
 */
export class EventQueue<Item extends object> implements AsyncIterableIterator<Item> {
  readonly #items: Item[] = []
  #end: { readonly error: Error | null } | null = null
  #wake: (() => void) | null = null
  readonly #onTaken: () => void
  readonly #onAbandoned: () => void

  /** `onAbandoned` is called if the consumer leaves before the end. */
  constructor(onTaken: () => void, onAbandoned: () => void) {
    this.#onTaken = onTaken
    this.#onAbandoned = onAbandoned
  }

  push(item: Item): void {
    if (this.#end !== null) return
    this.#items.push(item)
    this.#wake?.()
  }

  /** Ends the stream after what is queued; with an error, the consumer gets it then, once. */
  end(error: Error | null): void {
    if (this.#end !== null) return
    this.#end = { error }
    this.#wake?.()
  }

  /** Ends the stream at once: what is queued is dropped. */
  abort(error: Error): void {
    this.#drop()
    this.end(error)
  }

  async next(): Promise<IteratorResult<Item, undefined>> {
    while (this.#items.length === 0 && this.#end === null) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = null
    }
    const item = this.#items.shift()
    if (item !== undefined) {
      this.#onTaken()
      return { done: false, value: item }
    }
    const error = this.#end?.error ?? null
    this.#end = { error: null }
    if (error !== null) throw error
    return { done: true, value: undefined }
  }

  async return(): Promise<IteratorResult<Item, undefined>> {
    const abandoned = this.#end === null
    this.#end = { error: null }
    this.#drop()
    this.#wake?.()
    if (abandoned) this.#onAbandoned()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #drop(): void {
    for (const _ of this.#items.splice(0)) this.#onTaken()
  }
}
