import type { BinaryKind, Formula, FormulaStore, Term } from '../formula.ts'
import { isBoundary, Lexicon } from './lexicon.ts'
import { ListReader } from './list.ts'
import {
  cachedParser,
  failure,
  withoutQuestion,
  type Parsed,
  type Repair,
  type SentenceParser,
} from './parser.ts'
import { classPredicate, propertyPredicate } from './predicates.ts'
import { MAX_DEPTH, WordReader } from './reader.ts'
import { isName, splitWords } from './words.ts'

/** In ProofWriter these stand for everything; here they would be classes. */
const NOT_CLASSES = new Set(['things', 'people'])

/**
 * PrOntoQA's controlled English, with the nouns of one theory (source of the forms: `syntax.py` of
 * asaparov/prontoqa). `sentences` are all sentences of the theory, from which the lexicon is made.
 *
 *     sentence   := ["True or false:" | "Prove:"] statement ["."]
 *     statement  := "If" clauses [","] "then" clauses | clauses "if and only if" clauses | clauses
 *                 | "It is not the case that" statement | "There is a contradiction"
 *     clauses    := clause | clause (("and" | "or") clause)+
 *     clause     := NAME "is" items | NAME ("belongs" | "does not belong") "to" plural
 *                 | ("Each" | "Every" | "Any" | "No") noun "is" items | ["All"] plural "are" items
 *                 | "Everything that is" items "is" items | ("Everything" | "Something") "is" items
 *     items      := item | item (("and" | "or") item)+ | item ("," item)+ [","] ("and" | "or") item
 *     item       := ["not"] ( ("a" | "an") adjective* noun | adjective* plural | adjective )
 *
 * As in the official grammar, "not" before a list whose other items have none denies the whole list.
 */
export function prontoqaParser(store: FormulaStore, sentences: readonly string[]): SentenceParser {
  const lexicon = new Lexicon(sentences.map(splitWords).flatMap((split) => ('ok' in split ? [] : [split])))
  const read = (text: string): Parsed => {
    const split = splitWords(text)
    return 'ok' in split ? split : new Grammar(new WordReader(split), store, lexicon).sentence()
  }
  return cachedParser('prontoqa', (text) => withoutQuestion(text, read))
}

type Connective = Extract<BinaryKind, 'and' | 'or'>

const CLAUSE_STARTS = new Set(['each', 'every', 'any', 'all', 'no', 'everything', 'something'])
const DETERMINERS = new Set('a an the each every any all no some this that'.split(' '))

class Grammar {
  readonly #reader: WordReader
  readonly #store: FormulaStore
  readonly #lexicon: Lexicon
  readonly #repairs: Repair[] = []

  constructor(reader: WordReader, store: FormulaStore, lexicon: Lexicon) {
    this.#reader = reader
    this.#store = store
    this.#lexicon = lexicon
  }

  sentence(): Parsed {
    if (this.#reader.count === 0) return failure('The sentence is empty.', 0)
    const formula = this.#statement(0)
    if (formula === null || this.#reader.finish() === null) return this.#reader.failure
    return { ok: true, formula, repairs: this.#repairs }
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
    const left = this.#clauses()
    if (left === null || !reader.take('if', 'and', 'only', 'if')) return left
    const right = this.#clauses()
    return right === null ? null : this.#store.binary('iff', left, right)
  }

  #conditional(): Formula | null {
    const reader = this.#reader
    const condition = this.#clauses()
    if (condition === null) return null
    reader.take(',')
    if (!reader.take('then')) return reader.fail('Expected "then".')
    const consequence = this.#clauses()
    return consequence === null ? null : this.#store.binary('implies', condition, consequence)
  }

  #clauses(): Formula | null {
    const reader = this.#reader
    const operands: Formula[] = []
    const list = new ListReader(reader)
    do {
      const clause = this.#clause()
      if (clause === null) return null
      operands.push(clause)
    } while (list.next((index) => this.#startsClause(index)))
    return list.failed ? null : this.#joined(list.connective, operands)
  }

  /** Whether a subject and its verb stand here, rather than one more item of the list before. */
  #startsClause(index: number): boolean {
    const reader = this.#reader
    if (CLAUSE_STARTS.has(reader.inside(index))) return true
    if (isName(reader.word(index)) && /^(?:is|does|belongs)$/.test(reader.word(index + 1))) return true
    const end = this.#phraseEnd(index)
    return end > index && reader.word(end) === 'are'
  }

  #clause(): Formula | null {
    const reader = this.#reader
    const store = this.#store
    const variable = store.bound(0)
    if (reader.take('everything', 'that', 'is')) {
      const subject = this.#items(variable, false)
      return subject === null ? null : this.#universal(subject, 'is', false)
    }
    if (reader.sees('everything', 'is') || reader.sees('something', 'is')) {
      const kind = reader.sees('everything') ? 'forall' : 'exists'
      reader.at += 2
      const body = this.#items(variable, false)
      return body === null ? null : store.quantified(kind, 'x', body)
    }
    if (isName(reader.word(reader.at)) && reader.word(reader.at + 1) !== 'are') {
      const following = reader.word(reader.at + 1)
      if (isBoundary(following) || following === '') return this.#individual()
    }
    const determiner = reader.inside(reader.at)
    if (determiner === 'each' || determiner === 'every' || determiner === 'any') {
      reader.at += 1
      const subject = this.#nounPhrase(variable, false)
      return subject === null ? null : this.#universal(subject, 'is', false)
    }
    if (determiner === 'no') {
      reader.at += 1
      const isPlural = reader.word(this.#phraseEnd(reader.at)) === 'are'
      const subject = this.#nounPhrase(variable, isPlural)
      return subject === null ? null : this.#universal(subject, isPlural ? 'are' : 'is', true)
    }
    reader.take('all')
    if (reader.word(this.#phraseEnd(reader.at)) !== 'are')
      return reader.fail('Expected a subject and its verb.')
    const subject = this.#nounPhrase(variable, true)
    return subject === null ? null : this.#universal(subject, 'are', false)
  }

  #universal(subject: Formula, verb: 'is' | 'are', denied: boolean): Formula | null {
    const reader = this.#reader
    const store = this.#store
    if (!reader.take(verb)) return reader.fail(`Expected "${verb}".`)
    const predicate = this.#items(store.bound(0), verb === 'are')
    if (predicate === null) return null
    const consequence = denied ? store.not(predicate) : predicate
    return store.quantified('forall', 'x', store.binary('implies', subject, consequence))
  }

  #individual(): Formula | null {
    const reader = this.#reader
    const name = this.#store.constant(reader.word(reader.at))
    reader.at += 1
    if (reader.take('is')) return this.#items(name, false)
    if (reader.take('belongs', 'to')) return this.#nounPhrase(name, true)
    if (reader.take('does', 'not', 'belong', 'to')) {
      const body = this.#nounPhrase(name, true)
      return body === null ? null : this.#store.not(body)
    }
    return reader.fail('Expected "is", "belongs to" or "does not belong to".')
  }

  #items(term: Term, isPlural: boolean): Formula | null {
    const reader = this.#reader
    const store = this.#store
    const start = reader.at
    const items: Formula[] = []
    const denials: boolean[] = []
    const list = new ListReader(reader)
    do {
      reader.take('also')
      denials.push(reader.take('not'))
      const item = this.#item(term, isPlural)
      if (item === null) return null
      items.push(item)
    } while (list.next((index) => !this.#startsClause(index)))
    if (list.failed) return null
    const others = new Set(denials.slice(1))
    if (denials[0] === true && others.has(false)) {
      if (others.has(true)) return reader.fail('It is ambiguous what "not" denies.', start)
      return store.not(this.#joined(list.connective, items))
    }
    return this.#joined(
      list.connective,
      items.map((item, index) => (denials[index] === true ? store.not(item) : item)),
    )
  }

  #joined(connective: Connective, operands: readonly Formula[]): Formula {
    return operands.reduce((left, right) => this.#store.binary(connective, left, right))
  }

  #item(term: Term, isPlural: boolean): Formula | null {
    const reader = this.#reader
    const start = reader.at
    if (!isPlural && (reader.take('a') || reader.take('an'))) return this.#nounPhrase(term, false)
    const end = this.#phraseEnd(start)
    if (end === start) return reader.fail('Expected a class or a property.')
    const words = reader.slice(start, end)
    const last = words.at(-1) ?? ''
    if (isPlural && this.#lexicon.looksPlural(last)) return this.#nounPhrase(term, true)
    if (!isPlural && this.#lacksArticle(words)) {
      this.#repairs.push('article')
      return this.#nounPhrase(term, false)
    }
    if (words.length > 1) return reader.fail(`Expected one property, not "${words.join(' ')}".`)
    if (DETERMINERS.has(last)) return reader.fail(`"${last}" was not expected here.`)
    reader.at = end
    return this.#store.atom(propertyPredicate(last), [term])
  }

  /** "Sally is numpus": a class of the theory that stands bare, and that is not a property as well. */
  #lacksArticle(words: readonly string[]): boolean {
    const noun = words.slice(-this.#lexicon.nounLength(words, false)).join(' ')
    return this.#lexicon.hasNoun(noun) && !this.#lexicon.hasProperty(noun)
  }

  /** Adjectives and a noun, up to the next boundary: the conjunction of what they say of `term`. */
  #nounPhrase(term: Term, isPlural: boolean): Formula | null {
    const reader = this.#reader
    const start = reader.at
    const end = this.#phraseEnd(start)
    if (end === start) return reader.fail('Expected a noun.')
    const words = reader.slice(start, end)
    if (start === 0) words[0] = this.#lexicon.insideSentence(words[0] ?? '', words[1], isPlural)
    const length = this.#lexicon.nounLength(words, isPlural)
    const noun = this.#noun(words.slice(-length), end - 1, isPlural)
    if (noun === null) return null
    const conjuncts: Formula[] = []
    for (const [offset, adjective] of words.slice(0, -length).entries()) {
      const isClass = this.#lexicon.hasNoun(adjective) && !this.#lexicon.hasProperty(adjective)
      if (isClass || DETERMINERS.has(adjective)) {
        return reader.fail(`"${adjective}" is not a property.`, start + offset)
      }
      conjuncts.push(this.#store.atom(propertyPredicate(adjective), [term]))
    }
    reader.at = end
    return this.#joined('and', [...conjuncts, this.#store.atom(classPredicate(noun), [term])])
  }

  #noun(words: readonly string[], index: number, isPlural: boolean): string | null {
    const last = words.at(-1) ?? ''
    if (DETERMINERS.has(last)) return this.#reader.fail('Expected a noun.', index)
    if (!isPlural) return words.join(' ')
    if (NOT_CLASSES.has(last)) return this.#reader.fail(`"${last}" is not a class.`, index)
    const singular = this.#lexicon.singular(last, words.length === 2 ? `${words[0]} ` : '')
    return singular.ok ? singular.noun : this.#reader.fail(singular.message, index)
  }

  #phraseEnd(from: number): number {
    let at = from
    while (at < this.#reader.count && !isBoundary(this.#reader.word(at))) at += 1
    return at
  }
}
