/** Text that is HTML already. Only {@link html}, {@link raw} and {@link joined} make it. */
export class Html {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

type Value = Html | string | number | null | readonly Html[]

/** A template whose values are escaped unless they are HTML; null is nothing. Attributes must be quoted. */
export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(strings.reduce((text, part, index) => text + render(values[index - 1] ?? null) + part))
}

/** Takes text as HTML: for what this folder wrote itself, never for anything of a run. */
export function raw(text: string): Html {
  return new Html(text)
}

export function joined(parts: readonly Html[]): Html {
  return new Html(parts.join('\n'))
}

function render(value: Value): string {
  if (value === null) return ''
  if (value instanceof Html) return value.toString()
  return typeof value === 'object' ? value.join('\n') : escapeHtml(String(value))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '')
}

/** JSON for a `<script type="application/json">`: nothing in it can end the element or begin a comment. */
export function embeddedJson(value: unknown): Html {
  const text = JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => String.raw`\u` + character.charCodeAt(0).toString(16).padStart(4, '0'),
  )
  return new Html(text)
}
