import { isPlainObject, compareText } from './json.ts'

/**
 * How two JSON values differ, one line per place: `dpo.beta: 0.1 -> 0.2`. A key that one side lacks
 * shows as `(absent)`; lists of different lengths are shown whole. Empty if the values are equal.
 */
export function describeDifferences(before: unknown, after: unknown, path = ''): string[] {
  if (isPlainObject(before) && isPlainObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort(compareText)
    return keys.flatMap((key) =>
      describeDifferences(before[key], after[key], path === '' ? key : `${path}.${key}`),
    )
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    return before.flatMap((item, index) => describeDifferences(item, after[index], `${path}[${index}]`))
  }
  const shown = [before, after].map(show)
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [`${path}: ${shown.join(' -> ')}`]
}

function show(value: unknown): string {
  if (value === undefined) return '(absent)'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}...` : text
}
