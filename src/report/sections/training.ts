import { histogram, lineChart, reliabilityChart } from '../charts.ts'
import { counts, number, percent } from '../format.ts'
import { html, type Html } from '../html.ts'
import type { Curve, Report } from '../report.ts'
import { table } from '../table.ts'

/** Curves of every training stage. */
export function curvesSection({ curves }: Report): Html {
  if (curves.length === 0) return html``
  return html`<section aria-labelledby="curves">
    <h2 id="curves">Training</h2>
    ${curves.map(curveOf)}
  </section>`
}

function curveOf({ name, complete, unit, rows, panels }: Curve): Html {
  const state = complete ? '' : ', unfinished'
  return html`<details>
    <summary>${name} <small>${`${rows} ${unit}s${state}`}</small></summary>
    <div class="charts">${panels.map((panel) => lineChart(panel, unit))}</div>
  </details>`
}

/** What training was fed with: sampled texts and the pairs built of them. */
export function samplesSection({ samples, pairs }: Report): Html {
  if (samples.length + pairs.length === 0) return html``
  return html`<section aria-labelledby="samples">
    <h2 id="samples">Samples and pairs</h2>
    ${
      samples.length === 0
        ? null
        : html`${table(
              'Samples',
              [
                {
                  title: 'file',
                  cell: ({ name, complete }) => `${name}${complete ? '' : ' (unfinished)'}`,
                  words: true,
                },
                { title: 'problems', cell: ({ problems }) => problems },
                { title: 'samples', cell: ({ samples: n }) => n },
                { title: 'correct %', cell: (row) => percent(row.correct / row.samples) },
                {
                  title: 'valid by proof %',
                  cell: (row) =>
                    row.valid_by_proof === null ? '–' : percent(row.valid_by_proof / row.samples),
                },
                { title: 'repeated texts', cell: ({ identical }) => identical },
                { title: 'tokens, median', cell: ({ tokens }) => number(tokens.median) },
                {
                  title: 'reward, mean',
                  cell: ({ rewards }) => (rewards === null ? '–' : number(rewards.mean)),
                },
                { title: 'ended by', cell: (row) => counts(row.finish_reasons), words: true },
              ],
              samples,
            )}
            <div class="charts">
              ${samples.flatMap(({ name, tokens, rewards }) => [
                histogram(`${name}: tokens`, tokens, 'tokens'),
                ...(rewards === null ? [] : [histogram(`${name}: rewards`, rewards, 'reward')]),
              ])}
            </div>`
    }
    ${
      pairs.length === 0
        ? null
        : html`${table(
            'Preference pairs',
            [
              { title: 'file', cell: ({ name }) => name, words: true },
              { title: 'pairs', cell: (row) => row.pairs },
              { title: 'by type', cell: (row) => counts(row.by_type) || '–', words: true },
              { title: 'problems with a pair', cell: (row) => row.problems },
              {
                title: 'margin, median',
                cell: ({ margins }) => (margins === null ? '–' : number(margins.median)),
              },
              {
                title: 'skipped',
                cell: ({ building }) =>
                  building === null ? 'not recorded' : counts(building.skipped) || 'none',
                words: true,
              },
            ],
            pairs,
          )}
          ${pairs.flatMap(({ name, building }) =>
            building === null || building.reasons.length === 0
              ? []
              : [
                  html`<h3>${`Why ${name} are not more`}</h3>
                    <ul>
                      ${building.reasons.map((reason) => html`<li>${reason}</li>`)}
                    </ul>`,
                ],
          )}`
    }
  </section>`
}

/** Whether the agreement of samples foretells that they are right. */
export function calibrationSection({ calibrations }: Report): Html {
  if (calibrations.length === 0) return html``
  return html`<section aria-labelledby="calibration">
    <h2 id="calibration">Calibration</h2>
    <p>
      The share of a problem's samples that give its commonest answer, against how often that answer is right.
      On the dashed line agreement would be exactly as good as it looks.
    </p>
    <div class="charts">${calibrations.map(({ name, bins }) => reliabilityChart(name, bins))}</div>
    ${table(
      'Agreement as a forecast',
      [
        { title: 'file', cell: ({ name }) => name, words: true },
        { title: 'samples each', cell: ({ samples }) => samples },
        { title: 'problems', cell: ({ problems }) => problems },
        { title: 'without answer', cell: (row) => row.without_answer },
        { title: 'expected calibration error', cell: (row) => number(row.expected_error) },
        { title: 'AUC', cell: ({ auc }) => (auc === null ? '–' : number(auc)) },
      ],
      calibrations,
    )}
  </section>`
}
