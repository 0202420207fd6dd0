import { percent, seconds } from '../format.ts'
import { html, type Html } from '../html.ts'
import type { Report, WorkRate } from '../report.ts'
import { table } from '../table.ts'

const PIPELINES = { oak: 'OaK loop', abel: 'Abel pipeline', stages: 'Single stages' } as const
const STATES = {
  finished: 'finished',
  running: 'running',
  interrupted: 'interrupted: --resume continues it',
  unknown: 'state unknown: it ran on another machine',
} as const

/** What was run, when, and whether it is whole. */
export function headline({ run, made_at: madeAt }: Report): Html {
  const time = (at: string | null): string =>
    at === null ? 'unknown' : at.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')
  return html`<header>
    <h1>${run.name}</h1>
    <p>
      <span class="state ${run.state}">${STATES[run.state]}</span> ${PIPELINES[run.pipeline]}, begun
      ${time(run.started_at)}${run.ended_at === null ? null : html`, last stage ended ${time(run.ended_at)}`}.
      Report of ${time(madeAt)}.
    </p>
  </header>`
}

/** Stages, versions, settings, and what cannot be shown. */
export function runSection({ run, stages, missing }: Report): Html {
  const versions = Object.entries(run.versions).map(([name, version]) => `${name} ${version}`)
  return html`<section aria-labelledby="run">
    <h2 id="run">The run</h2>
    ${
      missing.length === 0
        ? null
        : html`<h3>Not in this report</h3>
            <ul>
              ${missing.map((each) => html`<li>${each}</li>`)}
            </ul>`
    }
    ${table(
      'Stages',
      [
        { title: 'stage', cell: ({ name }) => name, words: true },
        { title: 'state', cell: ({ state }) => state, words: true },
        { title: 'attempts', cell: ({ attempts }) => attempts },
        { title: 'time', cell: (row) => (row.seconds === null ? '–' : seconds(row.seconds)) },
        {
          title: 'tokens/s, MFU',
          cell: ({ rates }) => rates.map(describeRate).join('; ') || '–',
          words: true,
        },
        { title: 'directory', cell: ({ dir }) => dir, words: true },
      ],
      stages,
    )}
    <p>Versions: ${versions.length === 0 ? 'not recorded' : versions.join(', ')}.</p>
    ${
      run.config === null
        ? null
        : html`<details>
            <summary>Configuration</summary>
            <pre tabindex="0">${JSON.stringify(run.config, null, 2)}</pre>
          </details>`
    }
  </section>`
}

function describeRate({ work, tokens_per_second: rate, mfu }: WorkRate): string {
  const share = mfu === null ? '' : ` (${percent(mfu)} %)`
  return `${work} ${Math.round(rate).toLocaleString('en-US')}${share}`
}
