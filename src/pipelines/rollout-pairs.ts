import type { RolloutPairsConfig } from '../config/rollouts.ts'
import { ElenchusError } from '../errors.ts'
import type { PreferencePair } from '../preferences/pair.ts'
import { buildRolloutPairs, type RolloutPairReport } from '../preferences/rollouts.ts'
import { explainRolloutPairs } from '../preferences/rollouts-explain.ts'
import { scoredGroupSchema, type ScoredGroup } from '../regime-w/group.ts'
import { readJsonl, writeJsonl } from '../runs/jsonl.ts'
import { writePairReport } from '../training/pair-report.ts'

export interface PreparedRolloutPairs {
  readonly path: string
  readonly pairs: readonly PreferencePair[]
  readonly report: RolloutPairReport
  /** Why there are not more pairs, most frequent cause first. */
  readonly reasons: readonly string[]
}

/**
 * Builds the preference pairs of a scored rollout file and writes them, also if there are none, with the
 * report of how they came about beside them: a repeated call writes the same bytes.
 *
 * @throws ElenchusError `record_invalid` for a line that is no scored group.
 */
export async function prepareRolloutPairs(input: {
  readonly rolloutsPath: string
  readonly pairsPath: string
  readonly config: RolloutPairsConfig
}): Promise<PreparedRolloutPairs> {
  const groups: ScoredGroup[] = []
  try {
    for await (const group of readJsonl(input.rolloutsPath, scoredGroupSchema)) groups.push(group)
  } catch (error) {
    if (!ElenchusError.is(error) || error.code !== 'record_invalid') throw error
    throw new ElenchusError('record_invalid', error.message, {
      hint: 'Rollouts that are not scored yet: elenchus regime-w --rollouts FILE --preset guide --out SCORED.',
      cause: error,
    })
  }
  const options = {
    threshold: input.config.threshold,
    maxPairsPerQuestion: input.config.max_pairs_per_question,
  }
  const { pairs, report } = buildRolloutPairs(groups, options)
  const reasons = explainRolloutPairs(report, options)
  await writeJsonl(input.pairsPath, pairs)
  await writePairReport(input.pairsPath, {
    ...report,
    problems: report.questions,
    pairs: pairs.length,
    by_type: report.pairs,
    reasons,
  })
  return { path: input.pairsPath, pairs, report, reasons }
}

/** The error of a stage that needs pairs where there are none. */
export function noRolloutPairs(path: string, { report, reasons }: PreparedRolloutPairs): ElenchusError {
  const causes = reasons.map((reason) => `  - ${reason}`).join('\n')
  return new ElenchusError(
    'no_pairs',
    `${path} gives no preference pairs (${report.trajectories} answers to ${report.questions} questions):\n${causes}`,
    { details: { report } },
  )
}
