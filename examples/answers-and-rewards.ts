/**
 * Answers to word problems: questions, final answers, grades, Regime W rewards, and pairs from rollouts.
 *
 *     node examples/answers-and-rewards.ts    # Node 22.18 or newer; elsewhere `npx tsx`
 */
import {
  type ArithmeticGeneratorOptions,
  type ArithmeticQuestion,
  buildRolloutPairs,
  extractAnswer,
  type ExtractionOptions,
  type FinalAnswer,
  generateQuestions,
  type Grade,
  gradeOutput,
  type PreferencePair,
  type Preset,
  type QuestionFile,
  readQuestions,
  renderAbelPrompt,
  rescore,
  type RewardSettings,
  type RolloutGroup,
  type RolloutPairReport,
  scoreRegimeW,
  type ScoredGroup,
} from 'elenchus'

/** Questions of ours, and one as a model is asked. */
export function makeQuestions(count: number): { questions: ArithmeticQuestion[]; prompt: string } {
  const options: ArithmeticGeneratorOptions = { count, seed: 1, split: 'train', steps: [1, 2] }
  const questions = generateQuestions(options)
  return { questions, prompt: renderAbelPrompt(questions[0]?.question ?? '') }
}

/** GSM8K's own rows; those that are no question come with the reason. */
export function readGsm8k(text: string): QuestionFile {
  return readQuestions(text, 'gsm8k')
}

/** The number that an output ends with. No marker, no answer: null, which is not the same as wrong. */
export function finalAnswer(output: string, marker = '####'): string | null {
  const options: ExtractionOptions = { marker }
  const answer: FinalAnswer | null = extractAnswer(output, options)
  return answer?.text ?? null
}

export function grade(output: string, gold: string): Grade {
  return gradeOutput(output, gold)
}

/** Rollouts of one question, rewarded as a preset says. (`scoreRegimeW` is the same function.) */
export function reward(preset: Preset): { scored: ScoredGroup; same: boolean } {
  const answers = [
    'Tom has 3 + 4 = <<3+4=7>>7 pens.\n#### 7',
    '3 + 4 is 7, so 7.\n#### 7',
    '3 + 4 = <<3+4=8>>8\n#### 8',
  ]
  const group: RolloutGroup = {
    question: 'Tom has 3 pens and gets 4 more. How many has he?',
    gold_answer: '7',
    prompt: renderAbelPrompt('Tom has 3 pens and gets 4 more. How many has he?'),
    trajectories: answers.map((text) => ({
      full_text: text,
      answer: finalAnswer(text),
      num_tokens: text.length,
      correct: grade(text, '7').correct,
    })),
  }
  const settings: RewardSettings = { beta_coherence: 0.5, beta_agreement: 0.2, alpha_length: 0.1 }
  const scored = rescore(group, preset, settings)
  const again = scoreRegimeW(group, preset, settings)
  return { scored, same: JSON.stringify(again) === JSON.stringify(scored) }
}

/** Correct against wrong first, then the coherent against the less coherent. */
export function pairsOf(groups: readonly ScoredGroup[]): {
  pairs: PreferencePair[]
  report: RolloutPairReport
} {
  return buildRolloutPairs(groups)
}

if (import.meta.filename === process.argv[1]) {
  const { scored } = reward('trajectory')
  console.table(scored.trajectories.map(({ answer, correct, reward: total }) => ({ answer, correct, total })))
  console.log(pairsOf([scored]).report)
}
