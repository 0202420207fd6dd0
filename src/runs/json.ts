import { ElenchusError } from '../errors.ts'

/**
 * `JSON.stringify` that refuses what JSON would falsify: NaN and infinities (written as null), typed
 * arrays (as objects), bigints, dates, class instances and functions. Properties that are `undefined`
 * are left out; `undefined` in an array is refused.
 *
 * @param indent spaces per level; absent: one line.
 * @throws ElenchusError `internal`, naming the path of the value.
 */
export function toJson(value: unknown, indent?: number): string {
  const problem = findUnfit(value)
  if (problem !== undefined) {
    throw new ElenchusError('internal', `This value cannot be stored as JSON: ${problem}.`)
  }
  return JSON.stringify(value, undefined, indent)
}

/** JSON with sorted keys and no white space: equal for equal values, whatever order they were built in. */
export function canonicalJson(value: unknown): string {
  return toJson(sortKeys(value))
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys)
  if (!isPlainObject(value)) return value
  // A null prototype, so that a key named "__proto__" stays a key.
  const sorted: Record<string, unknown> = Object.create(null)
  for (const key of Object.keys(value).sort(compareText)) sorted[key] = sortKeys(value[key])
  return sorted
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

/** Order by code units: the same in every locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Why the value does not fit into JSON, or undefined if it does. */
function findUnfit(value: unknown): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `the number ${value}`
  if (typeof value !== 'object') return `a value of type ${typeof value}`
  if (Array.isArray(value)) return findUnfitItem(value)
  if (isPlainObject(value)) return findUnfitProperty(value)
  return `an instance of ${value.constructor?.name ?? 'an unnamed class'}`
}

function findUnfitItem(items: readonly unknown[]): string | undefined {
  for (let index = 0; index < items.length; index++) {
    const problem = findUnfit(items[index])
    if (problem !== undefined) return `[${index}] ${problem}`
  }
  return undefined
}

function findUnfitProperty(object: Record<string, unknown>): string | undefined {
  for (const key of Object.keys(object)) {
    const value = object[key]
    if (value === undefined) continue
    const problem = findUnfit(value)
    if (problem !== undefined) return `${key}: ${problem}`
  }
  return undefined
}
