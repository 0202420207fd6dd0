import type { Formula, FormulaStore, Term } from '../formula.ts'
import { ListReader } from './list.ts'
import { baseVerb } from './morphology.ts'
import { cachedParser, failure, withoutQuestion, type Parsed, type SentenceParser } from './parser.ts'
import { propertyPredicate } from './predicates.ts'
import { MAX_DEPTH, WordReader } from './reader.ts'
import { isName, splitWords } from './words.ts'

/**
 * ProofWriter's English (Tafjord et al. 2021, the data's surface forms). "things", "people", "something" and
 * "someone" mean everything; properties and relations are predicates, individuals are "Anne" or "the bald eagle".
 *
 *     sentence  := statement ["."]
 *     statement := "If" clauses [","] "then" clauses | rule | clauses | "It is not the case that" statement
 *                | "There is a contradiction"
 *     clauses   := clause | clause (("and" | "or") clause)+
 *     clause    := SUBJECT ("is" | "are") items | SUBJECT verb OBJECT | SUBJECT ("does" | "do") "not" verb OBJECT
 *     rule      := ["All"] adjective ([","] adjective)* ("things" | "people") "are" items
 *     items     := ["not"] adjective (("and" | "or") ["not"] adjective)*
 *
 * In a rule "it" and "they" mean the something or someone named before; elsewhere they mean nobody and are refused.
 */
export function proofwriterParser(store: FormulaStore): SentenceParser {
  const read = (text: string): Parsed => {
    const split = splitWords(text)
    return 'ok' in split ? split : new Grammar(new WordReader(split), store).sentence()
  }
  return cachedParser('proofwriter', (text) => withoutQuestion(text, read))
}

const VERB_ENDS = new Set([',', '.', 'and', 'or', 'then', 'is', 'are', 'does', 'do', 'not', 'if', ''])
const ANYTHING = new Set(['something', 'someone'])
const PRONOUNS = new Set(['it', 'they'])
const KIND = new Set(['things', 'people'])
const FUNCTION_WORDS = new Set(
  'a an the all each every no some if then and or not that it they is are do does'.split(' '),
)

class Grammar {
  readonly #reader: WordReader
  readonly #store: FormulaStore
  /** Whether "something" or "someone" has been named, so that a pronoun has somebody to mean. */
  #introduced = false

  constructor(reader: WordReader, store: FormulaStore) {
    this.#reader = reader
    this.#store = store
  }

  sentence(): Parsed {
    if (this.#reader.count === 0) return failure('The sentence is empty.', 0)
    const formula = this.#statement(0)
    if (formula === null || this.#reader.finish() === null) return this.#reader.failure
    return { ok: true, formula, repairs: [] }
  }

  #statement(depth: number): Formula | null {
    const reader = this.#reader
    if (depth > MAX_DEPTH) return reader.fail('The sentence is nested too deeply.')
    if (reader.take('it', 'is', 'not', 'the', 'case', 'that')) {
      const body = this.#statement(depth + 1)
      return body === null ? null : this.#store.not(body)
    }
    if (reader.take('there', 'is', 'a', 'contradiction')) return this.#store.falsum()
    if (reader.take('if')) return this.#conditional()
    return this.#startsRule() ? this.#rule() : this.#clauses(false)
  }

  #conditional(): Formula | null {
    const reader = this.#reader
    const condition = this.#clauses(true)
    if (condition === null) return null
    reader.take(',')
    if (!reader.take('then')) return reader.fail('Expected "then".')
    const consequence = this.#clauses(false)
    if (consequence === null) return null
    const rule = this.#store.binary('implies', condition, consequence)
    return this.#introduced ? this.#store.quantified('forall', 'x', rule) : rule
  }

  #startsRule(): boolean {
    if (this.#reader.sees('all')) return true
    let at = this.#reader.at
    while (!VERB_ENDS.has(this.#reader.word(at)) || this.#reader.word(at) === ',') at += 1
    return at > 0 && KIND.has(this.#reader.inside(at - 1))
  }

  #rule(): Formula | null {
    const reader = this.#reader
    const store = this.#store
    const variable = store.bound(0)
    reader.take('all')
    const subject: Formula[] = []
    while (!KIND.has(reader.inside(reader.at))) {
      if (subject.length > 0) reader.take(',')
      const property = this.#property(variable)
      if (property === null) return null
      subject.push(property)
    }
    reader.at += 1
    if (!reader.take('are')) return reader.fail('Expected "are".')
    const consequence = this.#items(variable)
    if (consequence === null) return null
    const body =
      subject.length === 0
        ? consequence
        : store.binary(
            'implies',
            subject.reduce((left, right) => store.binary('and', left, right)),
            consequence,
          )
    return store.quantified('forall', 'x', body)
  }

  #clauses(mayIntroduce: boolean): Formula | null {
    const operands: Formula[] = []
    const list = new ListReader(this.#reader)
    do {
      const clause = this.#clause(mayIntroduce && operands.length === 0)
      if (clause === null) return null
      operands.push(clause)
    } while (list.next((index) => this.#startsClause(index)))
    if (list.failed) return null
    return operands.reduce((left, right) => this.#store.binary(list.connective, left, right))
  }

  #startsClause(index: number): boolean {
    const word = this.#reader.word(index)
    return word === 'the' || PRONOUNS.has(word) || ANYTHING.has(word) || isName(word)
  }

  #clause(mayIntroduce: boolean): Formula | null {
    const reader = this.#reader
    const store = this.#store
    const subject = this.#subject(mayIntroduce)
    if (subject === null) return null
    if (reader.take('is') || reader.take('are')) return this.#items(subject)
    if (reader.take('does', 'not') || reader.take('do', 'not')) {
      const relation = this.#relation(subject, reader.word(reader.at))
      return relation === null ? null : store.not(relation)
    }
    const verb = reader.word(reader.at)
    const isPlural = reader.inside(reader.at - 1) === 'they'
    const base = isPlural || VERB_ENDS.has(verb) ? verb : baseVerb(verb)
    return base === null ? reader.fail(`"${verb}" is not a verb.`) : this.#relation(subject, base)
  }

  #relation(subject: Term, verb: string): Formula | null {
    const reader = this.#reader
    if (VERB_ENDS.has(verb) || FUNCTION_WORDS.has(verb)) return reader.fail('Expected a verb.')
    reader.at += 1
    const object = this.#individual(false)
    return object === null ? null : this.#store.atom(verb, [subject, object])
  }

  #subject(mayIntroduce: boolean): Term | null {
    const reader = this.#reader
    const word = reader.inside(reader.at)
    if (ANYTHING.has(word)) {
      if (!mayIntroduce) return reader.fail(`"${word}" can only open the condition of a rule.`)
      this.#introduced = true
    } else if (PRONOUNS.has(word)) {
      if (!this.#introduced) return reader.fail(`"${word}" refers to nobody.`)
    } else {
      return this.#individual(true)
    }
    reader.at += 1
    return this.#store.bound(0)
  }

  /** "Anne", "the bald eagle". As a subject it ends before its verb, as an object before the clause does. */
  #individual(isSubject: boolean): Term | null {
    const reader = this.#reader
    const start = reader.at
    if (!reader.take('the')) {
      const name = reader.word(start)
      if (!isName(name)) return reader.fail('Expected an individual.')
      reader.at += 1
      return this.#store.constant(name)
    }
    const from = reader.at
    const ends = (at: number): boolean =>
      VERB_ENDS.has(reader.word(at)) ||
      reader.word(at) === 'the' ||
      (isSubject && at > from && this.#isVerb(at))
    while (!ends(reader.at)) reader.at += 1
    if (reader.at === from) return reader.fail('Expected a noun.')
    return this.#store.constant(`the ${reader.slice(from, reader.at).join(' ')}`)
  }

  /** A third person with its object behind it. */
  #isVerb(index: number): boolean {
    const following = this.#reader.word(index + 1)
    return baseVerb(this.#reader.word(index)) !== null && (following === 'the' || isName(following))
  }

  #items(term: Term): Formula | null {
    const reader = this.#reader
    const items: Formula[] = []
    const list = new ListReader(reader)
    do {
      const denied = reader.take('not')
      const property = this.#property(term)
      if (property === null) return null
      items.push(denied ? this.#store.not(property) : property)
    } while (list.next((index) => !this.#startsClause(index)))
    if (list.failed) return null
    return items.reduce((left, right) => this.#store.binary(list.connective, left, right))
  }

  #property(term: Term): Formula | null {
    const reader = this.#reader
    const word = reader.inside(reader.at)
    if (VERB_ENDS.has(word) || FUNCTION_WORDS.has(word) || KIND.has(word) || isName(word)) {
      return reader.fail('Expected a property.')
    }
    reader.at += 1
    return this.#store.atom(propertyPredicate(word), [term])
  }
}
