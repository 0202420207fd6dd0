import type { SentenceParser } from '../language/parser.ts'
import { namesPredicate } from '../language/predicates.ts'
import {
  isRefusal,
  type ArgumentKind,
  type ArgumentTypes,
  type Form,
  type PredicateName,
  type Side,
} from '../rules/rule.ts'
import { refuse, type Refusal } from './codes.ts'
import type { Line, Proof } from './proof.ts'

/** An argument as it is written: an integer, or the text between quotes. */
export type Argument = number | string

/** An application of a rule with its arguments looked up and read. */
export interface Application {
  readonly form: Form
  readonly args: readonly ArgumentTypes[ArgumentKind][]
  /** Articles that had to be supplied in formulas among the arguments. */
  readonly repairs: number
}

const IDENTIFIER = /^[A-Za-z][A-Za-z0-9_]{0,63}$/

const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth']

/** Chooses the form by the number of arguments and binds each argument to its kind. */
export function bind(
  name: string,
  forms: readonly Form[],
  args: readonly Argument[],
  proof: Proof,
  parser: SentenceParser,
): Application | Refusal {
  const form = forms.find(({ signature }) => signature.length === args.length)
  if (form === undefined) {
    const takes = forms.map(({ signature }) => signature.length).join(' or ')
    return refuse('arity', `${name} takes ${takes} arguments, not ${args.length}.`)
  }
  const binder = new Binder(name, proof, parser)
  const bound: ArgumentTypes[ArgumentKind][] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    const kind = form.signature[i]
    if (arg === undefined || kind === undefined) break
    const value = binder.read(kind, arg, i)
    if (typeof value === 'object' && isRefusal(value)) return value
    bound.push(value)
  }
  return { form, args: bound, repairs: binder.repairs }
}

class Binder {
  repairs = 0
  readonly #option: string
  readonly #proof: Proof
  readonly #parser: SentenceParser

  constructor(option: string, proof: Proof, parser: SentenceParser) {
    this.#option = option
    this.#proof = proof
    this.#parser = parser
  }

  read(kind: ArgumentKind, arg: Argument, position: number): ArgumentTypes[ArgumentKind] | Refusal {
    switch (kind) {
      case 'line':
        return this.#line(arg, position)
      case 'assumption': {
        const line = this.#line(arg, position)
        if (isRefusal(line) || line.assumption) return line
        return refuse('rule_mismatch', `Line [${line.index}] is no assumption.`)
      }
      case 'side':
        return readSide(arg, 'left', 'right') ?? this.#wrong(position, "a side: 0 or 'left', 1 or 'right'")
      case 'direction':
        return (
          readSide(arg, 'forward', 'backward') ??
          this.#wrong(position, "a direction: 0 or 'forward', 1 or 'backward'")
        )
      case 'constant':
        if (typeof arg === 'string' && (IDENTIFIER.test(arg) || this.#proof.mentions(arg))) return arg
        return this.#wrong(position, 'the name of an individual, in quotes')
      case 'predicate':
        return typeof arg === 'string'
          ? this.#predicate(arg)
          : this.#wrong(position, 'the name of a predicate, in quotes')
      case 'formula': {
        if (typeof arg !== 'string') return this.#wrong(position, 'a formula in quotes')
        const parsed = this.#parser.parse(arg)
        if (!parsed.ok) {
          return refuse(
            'formula_unparsable',
            `The ${ordinal(position)} argument of ${this.#option} cannot be read at character ${parsed.position}: ${parsed.message}`,
          )
        }
        this.repairs += parsed.repairs.length
        return parsed.formula
      }
    }
  }

  #line(arg: Argument, position: number): Line | Refusal {
    if (typeof arg !== 'number') return this.#wrong(position, 'the index of a line')
    const { lines } = this.#proof
    const line = lines[arg]
    if (line === undefined) {
      return refuse(
        'index_out_of_range',
        `There is no line [${arg}] yet; the last one is [${lines.length - 1}].`,
      )
    }
    return line ?? refuse('invalid_reference', `Line [${arg}] belongs to an invalid step.`)
  }

  #predicate(text: string): PredicateName {
    const { language } = this.#parser
    return { text, names: (predicate) => namesPredicate(text, predicate, language) }
  }

  #wrong(position: number, expected: string): Refusal {
    return refuse(
      'argument_type',
      `The ${ordinal(position)} argument of ${this.#option} must be ${expected}.`,
    )
  }
}

function readSide(arg: Argument, left: string, right: string): Side | undefined {
  if (arg === 0 || arg === left) return 0
  if (arg === 1 || arg === right) return 1
  return undefined
}

function ordinal(position: number): string {
  return ORDINALS[position] ?? `${position + 1}th`
}
