import { html, type Html } from './html.ts'

export interface Column<T> {
  readonly title: string
  readonly cell: (row: T) => Html | string | number | null
  /** Words are aligned left, figures right. @default false */
  readonly words?: boolean
}

/** A table that scrolls sideways on its own where the screen is narrow. The first column names the row. */
export function table<T>(caption: string, columns: readonly Column<T>[], rows: readonly T[]): Html {
  const head = columns.map(
    ({ title, words }) => html`<th scope="col" class="${words === true ? 'words' : 'figure'}">${title}</th>`,
  )
  const body = rows.map((row) => {
    const cells = columns.map(({ cell, words }, index) =>
      index === 0
        ? html`<th scope="row">${cell(row)}</th>`
        : html`<td class="${words === true ? 'words' : 'figure'}">${cell(row)}</td>`,
    )
    return html`<tr>
      ${cells}
    </tr>`
  })
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${head}
        </tr>
      </thead>
      <tbody>
        ${body}
      </tbody>
    </table>
  </div>`
}
