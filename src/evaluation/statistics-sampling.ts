import { ElenchusError } from '../errors.ts'

/**
 * Probability that at least one of `k` samples, drawn without replacement from `n` of which `correct` are
 * right, is right: 1 - C(n - correct, k) / C(n, k) (Chen et al. 2021, eq. 1), without large binomials.
 *
 * @throws ElenchusError `internal` unless 1 <= k <= n and 0 <= correct <= n, all integers.
 */
export function passAtK(n: number, correct: number, k: number): number {
  const integers = [n, correct, k].every(Number.isSafeInteger)
  if (!integers || k < 1 || k > n || correct < 0 || correct > n) {
    throw new ElenchusError('internal', `passAtK: not defined for n=${n}, correct=${correct}, k=${k}.`)
  }
  let allWrong = 1
  for (let i = 0; i < k; i++) allWrong *= Math.max(0, n - correct - i) / (n - i)
  return 1 - allWrong
}

export interface MajorityVote {
  /** Null if no sample gave an answer. */
  readonly answer: string | null
  readonly votes: number
  /** Another answer has as many votes; the one that was given first wins. */
  readonly tied: boolean
}

/** The answer of self-consistency (Wang et al. 2023): the commonest; samples without an answer do not vote. */
export function majorityVote(answers: readonly (string | null)[]): MajorityVote {
  const votes = new Map<string, number>()
  for (const answer of answers) {
    if (answer !== null) votes.set(answer, (votes.get(answer) ?? 0) + 1)
  }
  let winner: MajorityVote = { answer: null, votes: 0, tied: false }
  // A Map keeps the order of first appearance.
  for (const [answer, count] of votes) {
    if (count > winner.votes) winner = { answer, votes: count, tied: false }
    else if (count === winner.votes) winner = { ...winner, tied: true }
  }
  return winner
}
