import type { Label } from '../logic/truth.ts'

/** What the trace viewer holds; embedded in the page, and read by its script alone. */
export interface Viewer {
  /** How the shown records were chosen, for a reader. */
  readonly rule: string
  readonly sources: readonly ViewerSource[]
  readonly problems: Readonly<Record<string, ViewerProblem>>
  readonly items: readonly ViewerItem[]
}

/** A file that records were taken from. */
export interface ViewerSource {
  readonly name: string
  readonly file: string
  readonly shown: number
  readonly total: number
}

export type ViewerProblem =
  | {
      readonly kind: 'proof'
      readonly id: string
      readonly premises: readonly string[]
      readonly conclusion: string
      readonly label: Label
      readonly depth: number | null
    }
  | { readonly kind: 'question'; readonly id: string; readonly question: string; readonly gold: string }

export interface ViewerStep {
  /** Index that later steps refer to; null for CONCLUDE. */
  readonly index: number | null
  readonly thought: string
  readonly action: string
  readonly option: string | null
  readonly verdict: 'valid' | 'redundant' | 'invalid'
  readonly code: string | null
  /** The judge's sentence. */
  readonly error: string | null
  readonly derived: string | null
  readonly notes: readonly string[]
}

/** One judged trace. */
export interface ViewerTrace {
  readonly kind: 'trace'
  readonly sample: number
  readonly answer: Label | null
  readonly correct: boolean
  readonly valid: boolean
  readonly warrant: 'proof' | 'solver' | null
  readonly status: 'judged' | 'inconsistent' | 'unverifiable'
  /** What is wrong with the trace beyond its steps, as a sentence. */
  readonly problem: string | null
  /** Codes of the steps and of the trace. */
  readonly codes: readonly string[]
  readonly rate: number
  readonly steps: readonly ViewerStep[]
  readonly tokens: number
  readonly finish: string
  /** The completion, where no step could be read in it. */
  readonly text: string | null
}

/** One line of an answer, with what re-executing its equations says. */
export interface ViewerLine {
  readonly text: string
  /** Null: the line states no equation. */
  readonly holds: boolean | null
}

/** One answer to a question. */
export interface ViewerAnswer {
  readonly kind: 'answer'
  readonly answer: string | null
  readonly correct: boolean
  readonly lines: readonly ViewerLine[]
  readonly tokens: number | null
  readonly finish: string | null
  readonly reward: number | null
}

export type ViewerRecord = ViewerTrace | ViewerAnswer

interface ItemBase {
  /** Index into the sources. */
  readonly source: number
  /** Key of the problem. */
  readonly problem: string
}

export interface SingleItem extends ItemBase {
  readonly kind: 'single'
  readonly record: ViewerRecord
}

export interface PairItem extends ItemBase {
  readonly kind: 'pair'
  readonly type: string
  readonly margin: number
  readonly chosen: ViewerRecord
  readonly rejected: ViewerRecord
}

export type ViewerItem = SingleItem | PairItem
