import { decapitalised, isName } from '../logic/language/words.ts'
import { LABELS, type Label } from '../logic/truth.ts'
import { renderOption } from '../prompts/proof.ts'
import type { GoldStep, Problem } from './problem.ts'

/** A proof as options, before it is put into words. */
export interface Proof {
  /** Step k owns line n+k, where n is the number of premises. */
  readonly steps: readonly ProofStep[]
  readonly label: Label
  /** The line that holds the query (TRUE) or its negation (FALSE); undefined for UNKNOWN. */
  readonly decidedBy: number | undefined
}

export interface ProofStep {
  readonly option: string
  readonly args: readonly (number | string)[]
  /** The sentence that the step derives. */
  readonly claim: string
}

type Sentences = Pick<Problem, 'premises' | 'conclusion' | 'premises_fol' | 'conclusion_fol'>

/**
 * A proof in the words of a trace: each step quotes the lines it uses, with their indices, and claims what
 * they give; the last one concludes.
 *
 * @example "Max is a yumpus. [1] Every yumpus is a wumpus. [0] So Max is a wumpus. [8]"
 */
export function renderProof(problem: Sentences, proof: Proof): GoldStep[] {
  const lines = [...(problem.premises_fol ?? problem.premises)]
  const quote = (index: number): string => `${lines[index] ?? ''} [${index}]`
  const steps = proof.steps.map(({ option, args, claim }) => {
    const quoted = args.slice(0, referenceCount(option, args)).map((arg) => quote(Number(arg)))
    lines.push(claim)
    const words = option === 'ASSUME' ? 'Assume' : 'So'
    return {
      thought: [...quoted, words, inSentence(claim), `[${lines.length - 1}]`].join(' '),
      action: renderOption(option, args),
    }
  })
  const evidence = proof.decidedBy === undefined ? undefined : quote(proof.decidedBy)
  return [...steps, renderConclusion(problem, evidence, proof.label)]
}

/** The terminal step: the line that decides (if any line is said to), the query, the answer. */
export function renderConclusion(problem: Sentences, evidence: string | undefined, label: Label): GoldStep {
  const query = asSentence(problem.conclusion_fol ?? problem.conclusion)
  const reason =
    evidence === undefined
      ? `Nothing that is given or follows says whether ${affirmative(query)}`
      : `${evidence} The query is ${query}`
  return {
    thought: `${reason} So the answer is ${label}.`,
    action: renderOption('CONCLUDE', [LABELS.indexOf(label)]),
  }
}

/** The line that a rendered step claims, "Max is a wumpus. [8]"; undefined if its thought has another form. */
export function claimedLine(step: GoldStep): string | undefined {
  return /(?:^| )(?:So|Assume) ((?:(?! So ).)+ \[\d+\])$/.exec(step.thought)?.[1]
}

/** The first line that a rendered step quotes, "Max is a yumpus. [1]"; undefined if its thought has another form. */
export function quotedLine(step: GoldStep): string | undefined {
  return /^.+? \[\d+\](?= )/.exec(step.thought)?.[0]
}

/** Options whose second argument is a side or a direction, not a line. */
const ONE_REFERENCE = new Set(['AND_ELIM', 'OR_INTRO', 'BICONDITIONAL_ELIM'])

/** How many of the leading arguments are indices of lines. */
function referenceCount(option: string, args: readonly (number | string)[]): number {
  if (ONE_REFERENCE.has(option)) return 1
  const first = args.findIndex((arg) => typeof arg !== 'number')
  return first === -1 ? args.length : first
}

/** "The tiger is nice." after "So": "the tiger is nice."; names keep their capital, and so do formulas. */
function inSentence(claim: string): string {
  const first = /^[A-Z][a-z]*(?= )/.exec(claim)?.[0]
  return first === undefined || isName(first) ? claim : decapitalised(claim)
}

/** Formulas get the full stop that sentences have. */
function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** "Max is not red." -> "Max is red.": what an undecided query asks about. */
function affirmative(query: string): string {
  return query.replace(' is not ', ' is ')
}
