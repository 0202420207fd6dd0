import { html, type Html } from '../html.ts'
import type { Report } from '../report.ts'
import { table } from '../table.ts'

/** The frame of the trace viewer; its script fills it from the embedded records. */
export function viewerSection({ viewer }: Report): Html {
  if (viewer.items.length === 0) return html``
  const choice = (name: string, label: string): Html =>
    html`<label
      >${label}
      <select name="${name}">
        <option value="">all</option>
      </select></label
    >`
  return html`<section aria-labelledby="viewer">
    <h2 id="viewer">Traces</h2>
    <p>${viewer.rule}</p>
    <details>
      <summary>What is shown of each file</summary>
      ${table(
        'Records shown',
        [
          { title: 'file', cell: ({ name }) => name, words: true },
          { title: 'shown', cell: ({ shown }) => shown },
          { title: 'of', cell: ({ total }) => total },
          { title: 'path', cell: ({ file }) => file, words: true },
        ],
        viewer.sources,
      )}
    </details>
    <form id="filters" aria-label="Filters">
      ${choice('source', 'File')}${choice('verdict', 'Verdict')}${choice('code', 'Code')}${choice('option', 'Option')}${choice('depth', 'Depth')}${choice('label', 'Label')}
      <label>Text <input name="text" type="search" autocomplete="off" /></label>
      <button type="reset">Clear</button>
    </form>
    <p id="count" role="status"></p>
    <div id="items"></div>
    <p><button id="more" type="button" hidden>Show more</button></p>
    <noscript>The viewer needs JavaScript; everything else on this page does not.</noscript>
  </section>`
}
