/** Wakes everybody who waits, once per call of `notify`. */
export class Notice {
  #waiting: (() => void)[] = []

  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  notify(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

/**
 * A bounded queue between several producers and one consumer: a full channel makes producers wait, so a slow
 * consumer slows generation down instead of filling memory.
 */
export class Channel<Item extends object> {
  readonly #capacity: number
  readonly #items: Item[] = []
  readonly #changed = new Notice()
  #end: { readonly error: Error | null } | null = null

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Waits for room. After the end, the item is dropped: nobody reads any more. */
  async push(item: Item): Promise<void> {
    while (this.#items.length >= this.#capacity && this.#end === null) await this.#changed.wait()
    if (this.#end !== null) return
    this.#items.push(item)
    this.#changed.notify()
  }

  /** Ends the stream behind what is queued; the consumer then gets the error, if there is one. */
  end(error: Error | null): void {
    this.#end ??= { error }
    this.#changed.notify()
  }

  async *read(): AsyncGenerator<Item, void, undefined> {
    for (;;) {
      const item = this.#items.shift()
      if (item !== undefined) {
        this.#changed.notify()
        yield item
      } else if (this.#end === null) {
        await this.#changed.wait()
      } else {
        if (this.#end.error !== null) throw this.#end.error
        return
      }
    }
  }
}
