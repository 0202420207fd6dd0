import { isPlainObject } from './json.ts'

/** What stands in a record where a credential stood. */
export const REDACTED = '[redacted]'

/** Names of credentials, as the last word of a key: `api_key`, `hfToken`, `Authorization`; `max_new_tokens` is none. */
const LAST_WORD = /(?:^|[^a-z])(?:token|key|secret|password|passwd|authorization)$/
/** `HF_TOKEN=...`, `--api-key=...`, `?key=...`, in quotes too. */
const ASSIGNED = /(?<![\w-])([\w-]*(?:token|key|secret|password|passwd|authorization))(=["']?)[^\s&"',;]+/gi
const HEADER = /(?<![\w-])((?:authorization|(?:x-)?api[-_]key)\s*:\s*(?:(?:bearer|basic)\s+)?)[^\s"',;]+/gi
const IN_URL = /(?<=[a-z][a-z0-9+.-]*:\/\/)[^\s/@]*:[^\s/@]*(?=@)/gi
const BEARER = /(?<=\bbearer\s+)[\w.~+/=-]{8,}/gi
/** Tokens of Hugging Face, and keys of OpenAI and those who write theirs alike; a folder `hf_models` is neither. */
const KNOWN = /(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{16,}|sk-[\w-]{16,})/g

/**
 * A configuration as it may be written down: everything that looks like a credential is {@link REDACTED}, by the name
 * of its key, in an address (`user:password@`), behind a flag or an assignment (`--api-key`, `HF_TOKEN=`), or by its
 * form. Two configurations that differ in credentials only are equal afterwards.
 */
export function redacted(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value)
  if (Array.isArray(value)) return redactItems(value)
  if (!isPlainObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, isSecretName(key) ? hidden(item) : redacted(item)]),
  )
}

/** An argument list may hold a credential behind the flag that names it. */
function redactItems(items: readonly unknown[]): unknown[] {
  return items.map((item, index) => {
    const before: unknown = items[index - 1]
    const named = typeof before === 'string' && /^--?[\w-]+$/.test(before) && isSecretName(before)
    return named && typeof item === 'string' ? REDACTED : redacted(item)
  })
}

/** The value of a key that names a credential; what is absent or empty stays, and objects are read on. */
function hidden(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(hidden)
  if (typeof value === 'number') return REDACTED
  return typeof value === 'string' && value !== '' ? REDACTED : redacted(value)
}

function isSecretName(name: string): boolean {
  return LAST_WORD.test(name.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toLowerCase())
}

function redactText(text: string): string {
  return text
    .replaceAll(IN_URL, REDACTED)
    .replaceAll(ASSIGNED, (whole: string, name: string, sign: string) =>
      isSecretName(name) ? `${name}${sign}${REDACTED}` : whole,
    )
    .replaceAll(HEADER, `$1${REDACTED}`)
    .replaceAll(BEARER, REDACTED)
    .replaceAll(KNOWN, REDACTED)
}
