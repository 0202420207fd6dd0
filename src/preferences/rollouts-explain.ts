import type { RolloutPairOptions, RolloutPairReport } from './rollouts.ts'

/**
 * Why there are no (or few) pairs, one sentence per cause with the flag to change; most frequent cause
 * first.
 */
export function explainRolloutPairs(report: RolloutPairReport, options: RolloutPairOptions): string[] {
  const { questions, skipped } = report
  const of = (count: number) => `${count} of ${questions} questions`
  const causes: [number, string][] = [
    [questions === 0 ? 1 : 0, 'The rollout file holds no questions: make some with `elenchus rollouts`.'],
    [
      report.questions_all_identical,
      `${of(report.questions_all_identical)} have a single distinct answer text: raise the temperature of the arms, or --arms.`,
    ],
    [
      report.questions_all_wrong,
      `${of(report.questions_all_wrong)} have no correct answer: train PPO longer, or use easier questions.`,
    ],
    [
      report.questions_all_correct,
      `${of(report.questions_all_correct)} have only correct answers, which leaves no correctness pairs: use harder questions or more --arms.`,
    ],
    [
      skipped.below_threshold,
      `${skipped.below_threshold} pairs of correct answers differ by at most ${options.threshold} in reward: lower --threshold, or rescore with --preset trajectory, which sees more than length.`,
    ],
    [
      skipped.chosen_without_equations,
      `${skipped.chosen_without_equations} pairs of correct answers have a better side without equations, which --preset trajectory never chooses.`,
    ],
    [
      skipped.over_cap,
      `${skipped.over_cap} pairs are above the limit of ${options.maxPairsPerQuestion} per question: raise --max-pairs-per-question.`,
    ],
  ]
  return causes
    .filter(([count]) => count > 0)
    .sort(([a], [b]) => b - a)
    .map(([, sentence]) => sentence)
}
