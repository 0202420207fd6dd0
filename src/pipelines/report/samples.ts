import {
  auc,
  expectedCalibrationError,
  type Forecast,
  reliabilityBins,
} from '../../evaluation/statistics-calibration.ts'
import { majorityVote } from '../../evaluation/statistics-sampling.ts'
import { scoredGroupSchema } from '../../regime-w/group.ts'
import { distributionOf } from '../../report/distribution.ts'
import type { Calibration, SampleFile } from '../../report/report.ts'
import { traceRecordSchema, type TraceRecord } from '../../traces/record.ts'
import { summariseTraces } from '../../traces/summary.ts'
import { isComplete } from './evaluations.ts'
import { fileName } from './names.ts'
import { readWhole } from './records.ts'
import type { FoundFile } from './scan.ts'

export interface ReadSamples {
  readonly sample: SampleFile
  /** Null with one sample per problem: a single answer always agrees with itself. */
  readonly calibration: Calibration | null
}

/** Traces or rollouts of one file: totals, lengths, and how well agreement foretells correctness. */
export function readSamples(source: FoundFile): Promise<ReadSamples> {
  return source.kind === 'traces' ? readTraces(source) : readRollouts(source)
}

async function readTraces(source: FoundFile): Promise<ReadSamples> {
  const tokens: number[] = []
  const votes = new Votes()
  async function* observed(): AsyncGenerator<TraceRecord, void> {
    for await (const record of readWhole(source.path, traceRecordSchema)) {
      tokens.push(record.num_tokens)
      votes.add(record.problem_id, record.final_answer, record.correct)
      yield record
    }
  }
  const totals = await summariseTraces(observed())
  const sample: SampleFile = {
    name: fileName(source.file),
    file: source.file,
    kind: 'traces',
    complete: isComplete(source),
    problems: totals.problems,
    samples: totals.traces,
    correct: totals.correct,
    valid_by_proof: totals.valid_by_proof,
    identical: totals.identical,
    finish_reasons: totals.finish_reasons,
    codes: totals.codes,
    tokens: distributionOf(tokens)!,
    rewards: null,
  }
  return { sample, calibration: votes.calibration(sample) }
}

async function readRollouts(source: FoundFile): Promise<ReadSamples> {
  const tokens: number[] = []
  const rewards: number[] = []
  const finishReasons: Record<string, number> = {}
  const votes = new Votes()
  let [questions, correct, identical] = [0, 0, 0]
  for await (const group of readWhole(source.path, scoredGroupSchema)) {
    questions++
    identical += group.trajectories.length - new Set(group.trajectories.map((each) => each.full_text)).size
    const id = group.question_id ?? String(questions)
    for (const trajectory of group.trajectories) {
      const { finish_reason: reason = 'unknown', answer } = trajectory
      finishReasons[reason] = (finishReasons[reason] ?? 0) + 1
      tokens.push(trajectory.num_tokens)
      rewards.push(trajectory.reward)
      if (trajectory.correct) correct++
      votes.add(id, answer === null ? null : String(answer), trajectory.correct)
    }
  }
  const sample: SampleFile = {
    name: fileName(source.file),
    file: source.file,
    kind: 'rollouts',
    complete: isComplete(source),
    problems: questions,
    samples: tokens.length,
    correct,
    valid_by_proof: null,
    identical,
    finish_reasons: finishReasons,
    codes: null,
    tokens: distributionOf(tokens)!,
    rewards: distributionOf(rewards),
  }
  return { sample, calibration: votes.calibration(sample) }
}

/** The answers of each problem's samples, and which of them are right. */
class Votes {
  readonly #problems = new Map<string, { answers: (string | null)[]; right: Set<string> }>()

  add(problem: string, answer: string | null, correct: boolean): void {
    let entry = this.#problems.get(problem)
    if (entry === undefined) this.#problems.set(problem, (entry = { answers: [], right: new Set() }))
    entry.answers.push(answer)
    if (correct && answer !== null) entry.right.add(answer)
  }

  calibration({ name, file }: SampleFile): Calibration | null {
    const all = [...this.#problems.values()]
    const samples = Math.max(0, ...all.map(({ answers }) => answers.length))
    const forecasts = all.flatMap(({ answers, right }): Forecast[] => {
      const { answer, votes } = majorityVote(answers)
      if (answer === null) return []
      // Samples without an answer do not agree with anything: they count against it.
      return [{ confidence: votes / answers.length, outcome: right.has(answer) }]
    })
    if (samples < 2 || forecasts.length === 0) return null
    return {
      name,
      file,
      samples,
      problems: forecasts.length,
      without_answer: all.length - forecasts.length,
      bins: reliabilityBins(forecasts),
      expected_error: expectedCalibrationError(forecasts),
      auc: auc(forecasts),
    }
  }
}
