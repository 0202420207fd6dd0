import type { Action } from '../logic/checker/step.ts'
import type { Argument } from '../logic/checker/bind.ts'

export type ReadAction =
  /** `trailing`: something other than white space follows the closing `/>`. */
  | { readonly ok: true; readonly action: Action; readonly trailing: boolean }
  | { readonly ok: false; readonly problem: string }

/** Digits that an integer argument may have; no trace has as many lines. */
const MAX_DIGITS = 9

/** What may open and close a text argument. */
const QUOTES = ["'", '"', '\\"', '&quot;'] as const

/**
 * Reads `<Option type="NAME" args="[...]" />`. Arguments are integers, or texts in single or double quotes;
 * double quotes may be escaped as `\"` or `&quot;`, and `\'` and `\\` may stand inside single quotes.
 */
export function readAction(text: string): ReadAction {
  const scanner = new Scanner(text)
  const action = scanner.option()
  return action === null
    ? { ok: false, problem: scanner.problem }
    : { ok: true, action, trailing: !scanner.atEnd() }
}

const SPACE = 32
const TAB = 9
const SINGLE_QUOTE = 39
const BACKSLASH = 92

class Scanner {
  readonly #text: string
  #at = 0
  problem = ''

  constructor(text: string) {
    this.#text = text
  }

  option(): Action | null {
    this.#skipSpace()
    if (!this.#take('<Option')) return this.#fail('the action does not start with <Option')
    this.#skipSpace()
    if (!this.#take('type="')) return this.#fail('type="NAME" is missing')
    const name = this.#name()
    if (name === null) return this.#fail('type="NAME" is missing')
    this.#skipSpace()
    if (!this.#take('args="[')) return this.#fail('args="[...]" is missing')
    const args = this.#args()
    if (args === null) return null
    if (!this.#take('"')) return this.#fail('the quote after args is missing')
    this.#skipSpace()
    return this.#take('/>') ? { name, args } : this.#fail('the closing /> is missing')
  }

  atEnd(): boolean {
    this.#skipSpace()
    return this.#at >= this.#text.length
  }

  #name(): string | null {
    const start = this.#at
    while (isNameCharacter(this.#text.charCodeAt(this.#at))) this.#at++
    const name = this.#text.slice(start, this.#at)
    return name.length > 0 && this.#take('"') ? name : null
  }

  /** The arguments and the bracket that closes them. */
  #args(): Argument[] | null {
    const args: Argument[] = []
    this.#skipSpace()
    if (this.#take(']')) return args
    for (;;) {
      this.#skipSpace()
      const arg = this.#integer() ?? this.#quoted()
      if (arg === null) return this.#fail('an argument is neither an integer nor a text in quotes')
      args.push(arg)
      this.#skipSpace()
      if (this.#take(']')) return args
      if (!this.#take(',')) return this.#fail('a comma or ] is missing among the arguments')
    }
  }

  #integer(): number | null {
    const start = this.#at
    let end = this.#text.charCodeAt(start) === 45 ? start + 1 : start
    const firstDigit = end
    while (isDigit(this.#text.charCodeAt(end))) end++
    if (end === firstDigit || end - firstDigit > MAX_DIGITS) return null
    this.#at = end
    return Number(this.#text.slice(start, end))
  }

  #quoted(): string | null {
    const quote = QUOTES.find((candidate) => this.#take(candidate))
    if (quote === undefined) return null
    return quote === "'" ? this.#singleQuoted() : this.#until(quote)
  }

  #until(quote: string): string | null {
    const end = this.#text.indexOf(quote, this.#at)
    if (end < 0) return null
    const content = this.#text.slice(this.#at, end)
    this.#at = end + quote.length
    return content
  }

  #singleQuoted(): string | null {
    const start = this.#at
    let escaped = false
    for (let end = start; end < this.#text.length; end++) {
      const code = this.#text.charCodeAt(end)
      if (code === SINGLE_QUOTE) {
        this.#at = end + 1
        const content = this.#text.slice(start, end)
        return escaped ? content.replaceAll(/\\([^])/g, '$1') : content
      }
      if (code === BACKSLASH) {
        escaped = true
        end++
      }
    }
    return null
  }

  #take(expected: string): boolean {
    if (!this.#text.startsWith(expected, this.#at)) return false
    this.#at += expected.length
    return true
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at)
      if (code !== SPACE && code !== TAB) return
      this.#at++
    }
  }

  #fail(problem: string): null {
    this.problem = `The action cannot be read at character ${this.#at}: ${problem}.`
    return null
  }
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

function isNameCharacter(code: number): boolean {
  return (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || isDigit(code) || code === 95
}
