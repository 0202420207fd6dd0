import { ElenchusError } from '../errors.ts'

/** A forecast and what came true. */
export interface Forecast {
  /** Forecast probability of `outcome`, in [0, 1]; for {@link auc} any finite score. */
  readonly confidence: number
  readonly outcome: boolean
}

/** One bin of a reliability diagram. */
export interface ReliabilityBin {
  /** Confidences in (low, high]; the first bin holds 0 too. */
  readonly low: number
  readonly high: number
  readonly count: number
  /** Null if the bin is empty. */
  readonly mean_confidence: number | null
  /** Share that came true; null if the bin is empty. */
  readonly accuracy: number | null
}

/**
 * Area under the ROC curve: the probability that a forecast that came true has the higher score than
 * one that did not, ties counting half (Mann-Whitney U / (n1 n0)).
 *
 * @returns in [0, 1]; null if all outcomes are the same, where it is not defined.
 */
export function auc(forecasts: readonly Forecast[]): number | null {
  const sorted = forecasts.toSorted((a, b) => a.confidence - b.confidence)
  let positives = 0
  let rankSum = 0
  for (let start = 0; start < sorted.length;) {
    const score = sorted[start]!.confidence
    if (!Number.isFinite(score)) throw new ElenchusError('internal', `auc: ${score} is no score.`)
    let end = start
    let tied = 0
    for (; sorted[end]?.confidence === score; end++) tied += sorted[end]!.outcome ? 1 : 0
    // Ranks start+1 .. end share their mean.
    rankSum += (tied * (start + 1 + end)) / 2
    positives += tied
    start = end
  }
  const negatives = sorted.length - positives
  if (positives === 0 || negatives === 0) return null
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives)
}

/** Equal-width bins over [0, 1] (Guo et al. 2017, section 2). */
export function reliabilityBins(forecasts: readonly Forecast[], bins = 10): ReliabilityBin[] {
  const totals = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, outcomes: 0 }))
  for (const { confidence, outcome } of forecasts) {
    if (!(confidence >= 0 && confidence <= 1)) {
      throw new ElenchusError('internal', `reliabilityBins: ${confidence} is no probability.`)
    }
    const total = totals[Math.max(0, Math.ceil(confidence * bins) - 1)]!
    total.count++
    total.confidence += confidence
    total.outcomes += outcome ? 1 : 0
  }
  return totals.map(({ count, confidence, outcomes }, index) => ({
    low: index / bins,
    high: (index + 1) / bins,
    count,
    mean_confidence: count === 0 ? null : confidence / count,
    accuracy: count === 0 ? null : outcomes / count,
  }))
}

/**
 * Expected calibration error: the mean of |accuracy - mean confidence| over the bins, weighted by their
 * counts (Guo et al. 2017, eq. 3).
 *
 * @returns in [0, 1].
 * @throws ElenchusError `internal` if there is no forecast.
 */
export function expectedCalibrationError(forecasts: readonly Forecast[], bins = 10): number {
  if (forecasts.length === 0) {
    throw new ElenchusError('internal', 'expectedCalibrationError: there is no forecast.')
  }
  return reliabilityBins(forecasts, bins).reduce((error, { count, accuracy, mean_confidence }) => {
    if (accuracy === null || mean_confidence === null) return error
    return error + (count / forecasts.length) * Math.abs(accuracy - mean_confidence)
  }, 0)
}
