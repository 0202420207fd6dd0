import { parseNumber } from '../answers/number.ts'
import { format } from '../answers/rational.ts'
import type { Weights } from './group.ts'

/** An answer in the form in which equal answers are equal strings; null for no answer. */
export function normaliseAnswer(answer: string | number | null): string | null {
  if (answer === null) return null
  const text = String(answer).trim()
  const value = parseNumber(text)
  if (value !== null) return format(value)
  return text === '' ? null : text
}

/** The most frequent answer, how often it occurs, and whether no other answer occurs as often. */
export interface Commonest {
  readonly answer: string
  readonly count: number
  readonly unique: boolean
}

/** Null agrees with nothing; @returns null if there are no answers. */
export function commonestAnswer(answers: readonly (string | null)[]): Commonest | null {
  const counts = new Map<string, number>()
  for (const answer of answers) if (answer !== null) counts.set(answer, (counts.get(answer) ?? 0) + 1)
  const [first, second] = [...counts].toSorted(([, a], [, b]) => b - a)
  if (first === undefined) return null
  const [answer, count] = first
  return { answer, count, unique: second === undefined || second[1] < count }
}

/** Share of equal pairs among all pairs of answers, two nulls being equal; 1 for a single answer. */
export function pairAgreement(answers: readonly (string | null)[]): number {
  let [equal, pairs] = [0, 0]
  for (const [index, answer] of answers.entries()) {
    for (const other of answers.slice(index + 1)) {
      pairs++
      if (answer === other) equal++
    }
  }
  return pairs === 0 ? 1 : equal / pairs
}

/** Summed from the smallest to the largest, so that the order of the values changes no digit. */
export function mean(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b).reduce((sum, value) => sum + value, 0) / values.length
}

/** Population variance. */
export function variance(values: readonly number[]): number {
  const centre = mean(values)
  return mean(values.map((value) => (value - centre) ** 2))
}

/** 1 - min(1, squared coefficient of variation); null if every length is 0. */
export function lengthAgreement(lengths: readonly number[]): number | null {
  const centre = mean(lengths)
  return centre === 0 ? null : 1 - Math.min(1, variance(lengths) / centre ** 2)
}

/** Mean of the defined values; null if none is. */
export function meanDefined(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value) => value !== null)
  return defined.length === 0 ? null : mean(defined)
}

/** Number of words, split on white space. */
export function countWords(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length
}

/** The three scores of a group. */
export interface GroupScores {
  readonly s_end: number
  readonly s_path: number | null
  readonly s_cf: number | null
}

/** Weighted mean of the scores that are defined, the weights of the others being shared out among them. */
export function weightedMean(
  scores: GroupScores,
  weights: Readonly<Record<keyof GroupScores, number>>,
): { s_wm: number; weights: Weights } {
  const { s_end, s_path, s_cf } = scores
  const path = s_path === null ? 0 : weights.s_path
  const cf = s_cf === null ? 0 : weights.s_cf
  const complete = s_path !== null && s_cf !== null
  // Not divided when all are defined: weights that sum to 1 within rounding stay as they are written.
  const total = complete ? 1 : weights.s_end + path + cf
  return {
    s_wm: (weights.s_end * s_end + path * (s_path ?? 0) + cf * (s_cf ?? 0)) / total,
    weights: {
      s_end: weights.s_end / total,
      s_path: s_path === null ? null : path / total,
      s_cf: s_cf === null ? null : cf / total,
    },
  }
}
