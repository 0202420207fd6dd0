import { prepareProblem, type PreparedProblem, type ProblemText } from '../checker/prepare.ts'
import { FormulaTooLarge, type Formula } from '../formula.ts'
import { EMPTY } from '../index-set.ts'
import { decideByClosure } from '../search/closure.ts'
import type { Entailment, Label } from '../truth.ts'
import { ChainBook } from './book.ts'
import { supportsAcrossGap } from './bridge.ts'
import { goldPath } from './gold-path.ts'
import { RuleGraph } from './graph.ts'
import { contradictionWith, supportsByOneRule } from './one-rule.ts'
import { universalRule } from './parts.ts'
import { readSentence, type ReadStep, type Statement } from './statement.ts'
import {
  EVERY_READING,
  readingsOf,
  STRICT,
  WITH_BOTH,
  WITH_NON_ATOMIC,
  WITH_SKIP,
  type Support,
} from './support.ts'
import { readChainText } from './text.ts'
import type { ChainIndexSets, ChainStep, ChainStepVerdict, ChainVerdicts, JudgedChain } from './verdict.ts'

export interface ChainProblem extends ProblemText {
  /** The right answer; without it, it is what the premises say, where that is known. */
  readonly label?: Label | undefined
}

/** Rules in a row that a skip step may leave out the links of (as in the official judge). */
const LONGEST_SKIP = 2

/** Questions that want a proof and no answer. */
const ASKS_FOR_PROOF = /^\s*prove:/i

/**
 * Judges a chain of thought without options, sentence by sentence, as the official judge of PrOntoQA does (Saparov and He
 * 2023): each sentence must be a premise or follow by one rule from what was said before.
 *
 * A step is *correct* if it is a premise, or follows by one rule from correct steps; *skip* if it is a universal rule that
 * follows from at most two rules of the premises; *non-atomic* if it continues the sentence before it, but needs several rules
 * or an unstated premise; a step that follows by one rule from such steps is one of them. Everything else is incorrect.
 * A chain proves its goal, the query or its denial, if some step that rests on no assumption says it; what stands beside that proof
 * does no harm. With "Prove: ..." the goal is the query alone.
 *
 * Sound: whatever is not incorrect is entailed by the premises and the assumptions that it rests on. Synchronous, deterministic, and
 * linear in the length of the text for a given problem.
 */
export function judgeChain(problem: ChainProblem, completion: string): JudgedChain {
  const prepared = prepareProblem(problem)
  const { sentences, label: answer } = readChainText(completion)
  if (!prepared.verifiable) {
    const steps = sentences.map((text) => refused(text, 'The problem cannot be read.'))
    const verdicts = { ...NOTHING_PROVED, label_correct: answersRightly(answer, problem, null) }
    return { status: 'unverifiable', verdicts, steps, sets: indexSets(steps, [], []), answer }
  }
  const entailment = prepared.entailment ?? decideByClosure(prepared)
  const label_correct = answersRightly(answer, problem, entailment)
  if (entailment === 'inconsistent') {
    const steps = sentences.map((text) => refused(text, 'The premises contradict each other.'))
    const verdicts = { ...NOTHING_PROVED, label_correct }
    return { status: 'inconsistent', verdicts, steps, sets: indexSets(steps, [], []), answer }
  }
  const judge = new ChainJudge(prepared, problem.conclusion)
  for (const sentence of sentences) judge.read(sentence)
  const { steps } = judge
  const sets = indexSets(steps, judge.wrongBranches, judge.rules)
  return { status: 'judged', verdicts: { ...judge.verdicts(), label_correct }, steps, sets, answer }
}

/** A step about a problem that nothing can be correct about. */
function refused(text: string, message: string): ChainStep {
  return { text, verdict: 'incorrect', message }
}

const NOTHING_PROVED = { strict: false, with_skip: false, with_non_atomic: false, with_both: false }

class ChainJudge {
  readonly steps: ChainStep[] = []
  readonly wrongBranches: number[] = []
  /** Indices of the steps that are universal rules. */
  readonly rules: number[] = []
  readonly #problem: PreparedProblem
  readonly #book: ChainBook
  readonly #graph: RuleGraph
  readonly #premises: ReadonlySet<number>
  readonly #goals: readonly Formula[]
  readonly #gold: ReadonlySet<number> | null
  /** By step; null where it was not accepted. */
  readonly #said: (Formula | null)[] = []
  #lastCorrect: Formula | null = null

  constructor(problem: PreparedProblem, conclusion: string) {
    const { store, premises, query } = problem
    this.#problem = problem
    this.#book = new ChainBook(store)
    this.#graph = new RuleGraph(store, premises)
    this.#premises = new Set(premises.map(({ canonical }) => canonical))
    this.#goals = ASKS_FOR_PROOF.test(conclusion) ? [query] : [query, store.negation(query)]
    this.#gold = goldPath(store, this.#graph, premises, this.#goals)
  }

  read(sentence: string): void {
    for (const step of readSentence(sentence, this.#problem.parser)) this.#judge(step)
  }

  verdicts(): Omit<ChainVerdicts, 'label_correct'> {
    const proofs = this.#goals
      .flatMap((goal) => this.#book.supports(goal))
      .filter(({ assumptions }) => assumptions.length === 0)
    const readings = readingsOf(proofs)
    return {
      strict: (readings & STRICT) !== 0,
      with_skip: (readings & WITH_SKIP) !== 0,
      with_non_atomic: (readings & WITH_NON_ATOMIC) !== 0,
      with_both: (readings & WITH_BOTH) !== 0,
    }
  }

  #judge({ text, statement }: ReadStep): void {
    if (statement.kind === 'unparseable') {
      this.#record({ text, verdict: 'unparseable', message: statement.message }, null)
      return
    }
    if (statement.kind === 'assumption') {
      const isMade = this.#book.assume(statement.formula)
      const message = isMade ? null : 'The chain makes too many assumptions.'
      this.#record({ text, verdict: isMade ? 'correct' : 'incorrect', message }, statement.formula)
      return
    }
    const formula = statement.kind === 'claim' ? statement.formula : this.#problem.store.falsum()
    const supports = this.#supports(statement)
    for (const support of supports) this.#book.add(formula, support)
    const verdict = verdictOf(readingsOf(supports))
    if (verdict === 'incorrect') this.#book.addWrong(formula)
    if (statement.kind === 'claim') this.#noteRule(formula)
    this.#record({ text, verdict, message: MESSAGES[verdict] }, formula)
  }

  #supports(statement: Extract<Statement, { kind: 'claim' | 'contradiction' }>): readonly Support[] {
    const book = this.#book
    try {
      if (statement.kind === 'contradiction') {
        const cited = (formula: Formula): readonly Support[] =>
          this.#isPremise(formula) ? AS_PREMISE : book.supports(formula)
        return contradictionWith(book, statement.with, cited)
      }
      const { formula } = statement
      if (this.#isPremise(formula)) return AS_PREMISE
      const supports = supportsByOneRule(book, formula)
      if (this.#graph.hasRule(formula, LONGEST_SKIP)) return [...supports, AS_SKIP]
      if (supports.length > 0) return supports
      const ground = { book, graph: this.#graph, premises: this.#premises, said: this.#said }
      return supportsAcrossGap(ground, formula)
    } catch (error) {
      if (error instanceof FormulaTooLarge) return []
      throw error
    }
  }

  /** A rule of the premises that applies to the last correct step of the way to the goal, but is not on it. */
  #noteRule(formula: Formula): void {
    const sides = universalRule(formula)
    if (sides === null) return
    this.rules.push(this.steps.length)
    const last = this.#lastCorrect
    if (last?.kind !== 'atom' || sides.condition.kind !== 'atom') return
    if (this.#gold?.has(last.canonical) !== true || this.#gold.has(formula.canonical)) return
    const applies = last.predicate === sides.condition.predicate
    if (applies && this.#isPremise(formula)) this.wrongBranches.push(this.steps.length)
  }

  #isPremise({ canonical }: Formula): boolean {
    return this.#premises.has(canonical)
  }

  #record(step: ChainStep, formula: Formula | null): void {
    const isAccepted = step.verdict !== 'incorrect' && step.verdict !== 'unparseable'
    this.steps.push(step)
    this.#said.push(isAccepted ? formula : null)
    if (step.verdict === 'correct') this.#lastCorrect = formula
  }
}

const AS_PREMISE: readonly Support[] = [{ readings: EVERY_READING, assumptions: EMPTY }]
const AS_SKIP: Support = { readings: WITH_SKIP | WITH_BOTH, assumptions: EMPTY }

const MESSAGES: Readonly<Record<ChainStepVerdict, string | null>> = {
  correct: null,
  skip: 'It rests on a rule that was not given, but follows from two rules that were.',
  non_atomic: 'It follows, but by several rules at once or from premises that were not stated.',
  incorrect: 'It is no premise and does not follow from what was said before it.',
  unparseable: null,
}

function verdictOf(readings: number): ChainStepVerdict {
  if ((readings & STRICT) !== 0) return 'correct'
  if ((readings & WITH_NON_ATOMIC) !== 0) return 'non_atomic'
  if ((readings & WITH_SKIP) !== 0) return 'skip'
  return readings === 0 ? 'incorrect' : 'non_atomic'
}

function answersRightly(
  answer: Label | null,
  problem: ChainProblem,
  entailment: Entailment | null,
): boolean | null {
  const asks = entailment !== null && !ASKS_FOR_PROOF.test(problem.conclusion)
  const right = problem.label ?? (asks ? LABEL_OF[entailment] : null)
  return right === null ? null : answer === right
}

const LABEL_OF: Readonly<Record<Entailment, Label | null>> = {
  proved: 'TRUE',
  refuted: 'FALSE',
  unknown: 'UNKNOWN',
  inconsistent: null,
  undecided: null,
}

function indexSets(
  steps: readonly ChainStep[],
  wrongBranches: readonly number[],
  rules: readonly number[],
): ChainIndexSets {
  const where = (...verdicts: readonly ChainStepVerdict[]): number[] =>
    steps.flatMap(({ verdict }, index) => (verdicts.includes(verdict) ? [index] : []))
  return {
    correct_steps: where('correct'),
    skip_steps: where('skip'),
    non_atomic_steps: where('non_atomic'),
    incorrect_steps: where('incorrect', 'unparseable'),
    invalid_steps: rules.filter((index) => steps[index]?.verdict === 'incorrect'),
    unparseable_steps: where('unparseable'),
    wrong_branch_steps: wrongBranches,
  }
}
