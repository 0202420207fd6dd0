import { intervals } from '../charts.ts'
import { COHERENCE_SCORES } from '../../evaluation/questions-coherence.ts'
import { counts, number, percent, points, share } from '../format.ts'
import { html, type Html } from '../html.ts'
import type { Evaluation, PairedComparison, ProofEvaluation, QuestionEvaluation, Report } from '../report.ts'
import { table } from '../table.ts'

/** What came out: a table per group of evaluations, the paired tests, and the same by depth and label. */
export function resultsSection({ evaluations, comparisons }: Report): Html {
  if (evaluations.length === 0) return html``
  const proofs = evaluations.filter((each) => each.kind === 'proofs')
  const questions = evaluations.filter((each) => each.kind === 'questions')
  return html`<section aria-labelledby="results">
    <h2 id="results">Results</h2>
    <p>
      Shares in per cent, with 95 % intervals in brackets: Wilson's where there is one sample of a problem, a
      bootstrap over problems otherwise.
    </p>
    ${proofs.length === 0 ? null : proofResults(proofs)}
    ${questions.length === 0 ? null : questionResults(questions)} ${pairedTests(comparisons)}
    ${proofs.length === 0 ? null : breakdowns(proofs)}
  </section>`
}

function nameOf(evaluation: Evaluation): string {
  const { name, group, complete } = evaluation
  const where = group.startsWith('on ') ? ` ${group}` : ''
  return `${name}${where}${complete ? '' : ' (unfinished)'}`
}

function proofResults(evaluations: readonly ProofEvaluation[]): Html {
  const rows = evaluations.map((each) => ({ name: nameOf(each), estimate: each.metrics.trace_validity }))
  return html`${intervals('Trace validity by proof, %', rows)}
  ${table(
    'Judged proofs',
    [
      { title: 'policy', cell: nameOf, words: true },
      { title: 'problems', cell: ({ metrics }) => metrics.problems },
      { title: 'accuracy', cell: ({ metrics }) => share(metrics.accuracy) },
      { title: 'step validity', cell: ({ metrics }) => share(metrics.step_validity) },
      { title: 'trace validity', cell: ({ metrics }) => share(metrics.trace_validity) },
      { title: 'warranted', cell: ({ metrics }) => share(metrics.warranted) },
      { title: 'steps', cell: ({ metrics }) => number(metrics.steps_per_trace.value) },
      { title: 'tokens', cell: ({ metrics }) => number(metrics.tokens_per_trace.value) },
      { title: 'commonest label', cell: ({ metrics }) => percent(metrics.majority_label.accuracy.value) },
      { title: 'solver alone', cell: ({ solver }) => share(solver) },
      { title: 'ended by', cell: ({ metrics }) => counts(metrics.finish_reasons), words: true },
    ],
    evaluations,
  )}`
}

function questionResults(evaluations: readonly QuestionEvaluation[]): Html {
  const rows = evaluations.map((each) => ({ name: nameOf(each), estimate: each.metrics.accuracy }))
  return html`${intervals('Accuracy, %', rows)}
  ${table(
    'Answered questions',
    [
      { title: 'policy', cell: nameOf, words: true },
      { title: 'questions', cell: ({ metrics }) => metrics.questions },
      { title: 'accuracy', cell: ({ metrics }) => share(metrics.accuracy) },
      { title: 'unanswered', cell: ({ metrics }) => share(metrics.unanswered) },
      { title: 'truncated', cell: ({ metrics }) => share(metrics.truncated) },
      { title: 'tokens', cell: ({ metrics }) => number(metrics.mean_tokens) },
      { title: 'ended by', cell: ({ metrics }) => counts(metrics.finish_reasons), words: true },
    ],
    evaluations,
  )}
  ${coherence(evaluations)}`
}

function coherence(evaluations: readonly QuestionEvaluation[]): Html {
  const measured = evaluations.filter((each) => each.coherence !== null)
  if (measured.length === 0) return html``
  return table(
    'Coherence of sampled answers (Regime W, means of 0 to 1)',
    [
      { title: 'policy', cell: nameOf, words: true },
      ...COHERENCE_SCORES.map((score) => ({
        title: score,
        cell: (each: QuestionEvaluation) => {
          const estimate = each.coherence?.[score] ?? null
          return estimate === null ? '–' : number(estimate.value)
        },
      })),
    ],
    measured,
  )
}

function pairedTests(comparisons: readonly PairedComparison[]): Html {
  if (comparisons.length === 0) return html``
  return table(
    "Paired tests: the same problems, exact McNemar's test",
    [
      { title: 'from → to', cell: ({ a, b }) => `${a} → ${b}`, words: true },
      { title: 'of', cell: ({ of }) => of, words: true },
      { title: 'problems', cell: ({ comparison }) => comparison.n },
      { title: 'points', cell: ({ comparison }) => points(comparison.difference) },
      { title: 'gained', cell: ({ comparison }) => comparison.only_b },
      { title: 'lost', cell: ({ comparison }) => comparison.only_a },
      { title: 'p', cell: ({ comparison }) => number(comparison.p_value) },
    ],
    comparisons,
  )
}

function breakdowns(evaluations: readonly ProofEvaluation[]): Html {
  const rows = evaluations.flatMap((each) => [
    ...each.metrics.by_depth.map((row) => ({ each, part: `depth ${row.depth ?? 'unknown'}`, row })),
    ...each.metrics.by_label.map((row) => ({ each, part: `label ${row.label}`, row })),
  ])
  return html`<details>
      <summary>By depth and by label</summary>
      ${table(
        'Results by depth and by label',
        [
          { title: 'policy', cell: ({ each }) => nameOf(each), words: true },
          { title: 'part', cell: ({ part }) => part, words: true },
          { title: 'problems', cell: ({ row }) => row.problems },
          { title: 'accuracy', cell: ({ row }) => share(row.accuracy) },
          { title: 'step validity', cell: ({ row }) => share(row.step_validity) },
          { title: 'trace validity', cell: ({ row }) => share(row.trace_validity) },
        ],
        rows,
      )}
    </details>
    <details>
      <summary>Why steps and traces were refused</summary>
      ${table(
        'Codes of the judge, commonest first (redundant is sound)',
        [
          { title: 'policy', cell: nameOf, words: true },
          { title: 'codes', cell: ({ metrics }) => counts(metrics.error_codes) || 'none', words: true },
        ],
        evaluations,
      )}
    </details>`
}
