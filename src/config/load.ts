import { readFile } from 'node:fs/promises'
import { isMap, isNode, isScalar, LineCounter, parse as parseYaml, parseDocument } from 'yaml'
import type { Document } from 'yaml'
import type * as z from 'zod'
import { ElenchusError } from '../errors.ts'
import { keysAt } from './keys.ts'
import { didYouMean } from './nearest.ts'

/** An override `a.b.c=value` of the command line; the value is read as YAML. */
export interface Override {
  readonly path: readonly string[]
  readonly value: unknown
  readonly source: string
}

/** Reads `a.b=c`. @throws ElenchusError `usage` when there is no `=` or no key. */
export function parseOverride(text: string): Override {
  const equals = text.indexOf('=')
  const key = text.slice(0, Math.max(equals, 0)).trim()
  if (equals < 1 || key === '') {
    throw new ElenchusError('usage', `--set ${text}: expected KEY=VALUE, for example --set dpo.beta=0.2`)
  }
  const path = key.split('.')
  if (path.some((part) => underscored(part) === '__proto__'))
    throw new ElenchusError('usage', `--set ${text}: there is no such setting`)
  return { path, value: parseYaml(text.slice(equals + 1)), source: `--set ${text}` }
}

/**
 * Reads a YAML file, applies overrides and validates. Every problem is reported with file:line:column,
 * what was found and what is allowed.
 */
export async function loadConfig<T>(
  path: string,
  schema: z.ZodType<T>,
  overrides: readonly Override[] = [],
): Promise<T> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new ElenchusError('file_missing', `Cannot read the configuration ${path}.`, { cause })
  }
  return parseConfig(text, path, schema, overrides)
}

/** {@link loadConfig} for text that is already in memory; `path` is used in messages only. */
export function parseConfig<T>(
  text: string,
  path: string,
  schema: z.ZodType<T>,
  overrides: readonly Override[] = [],
): T {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const syntax = document.errors[0]
  if (syntax !== undefined) {
    const at = lines.linePos(syntax.pos[0])
    throw new ElenchusError('config_invalid', `${path}:${at.line}:${at.col}: ${syntax.message}`)
  }
  const value: unknown = document.toJS() ?? {}
  const fitted = overrides.map((override) => ({ ...override, path: settingPath(schema, override.path) }))
  for (const override of fitted) applyOverride(value, override)
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const messages = result.error.issues.flatMap((issue) =>
    describeIssue(issue, value).map(({ at, message, unknown }) => {
      const source = fitted.find((o) => isPrefix(o.path, at) || isPrefix(at, o.path))
      const where = source?.source ?? locate(document, lines, path, at)
      return `${where}: ${message}${unknown === undefined ? '' : allowedAt(schema, at, unknown)}`
    }),
  )
  throw new ElenchusError('config_invalid', messages.join('\n'))
}

/** `-` for `_`, as flags are written, where a setting has that name; names of the user's own stay as they are. */
function settingPath(schema: z.core.$ZodType, path: readonly string[]): readonly string[] {
  const found: string[] = []
  for (const part of path) {
    const keys = keysAt(schema, found)
    const isSetting = !keys.includes(part) && keys.includes(underscored(part))
    found.push(isSetting ? underscored(part) : part)
  }
  return found
}

function underscored(part: string): string {
  return part.replaceAll('-', '_')
}

function isPrefix(prefix: readonly unknown[], path: readonly unknown[]): boolean {
  return prefix.length <= path.length && prefix.every((part, index) => String(path[index]) === String(part))
}

function applyOverride(root: unknown, override: Override): void {
  let target = root
  for (const [depth, part] of override.path.entries()) {
    if (typeof target !== 'object' || target === null || Array.isArray(target)) {
      throw new ElenchusError(
        'config_invalid',
        `${override.source}: ${override.path.slice(0, depth).join('.')} has no keys below it`,
      )
    }
    const next: unknown =
      depth === override.path.length - 1
        ? override.value
        : Object.hasOwn(target, part)
          ? (Reflect.get(target, part) ?? {})
          : {}
    Reflect.set(target, part, next)
    target = next
  }
}

/** What would have been right instead of a key that is not known. */
function allowedAt(schema: z.core.$ZodType, at: readonly PropertyKey[], unknown: string): string {
  const keys = keysAt(schema, at.slice(0, -1))
  if (keys.length === 0) return ''
  return `;${didYouMean(unknown, keys)} Allowed here: ${keys.join(', ')}.`
}

interface Described {
  readonly at: readonly PropertyKey[]
  readonly message: string
  /** A key that the schema does not know. */
  readonly unknown?: string
}

/** One message per offending key, with its path from the top level. */
function describeIssue(
  issue: z.core.$ZodIssue,
  root: unknown,
  base: readonly PropertyKey[] = [],
): Described[] {
  const path = [...base, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      at: [...path, key],
      message: `unknown key "${[...path, key].join('.')}"`,
      unknown: key,
    }))
  }
  if (issue.code === 'invalid_key') {
    const [parent, key] = [path.slice(0, -1).join('.'), JSON.stringify(path.at(-1))]
    const message = issue.issues.map((inner) => inner.message).join('; ')
    return [{ at: path, message: `${parent || '(top level)'} has the key ${key}: ${message}` }]
  }
  // Without branches it is a discriminator that names none of them, which is said like any other value.
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // The branch that complains least, and deepest, is the one that was meant.
    const branches = issue.errors.map((errors) => errors.flatMap((inner) => describeIssue(inner, root, path)))
    const depth = (branch: { at: readonly PropertyKey[] }[]) => Math.max(0, ...branch.map((b) => b.at.length))
    return branches.sort((a, b) => depth(b) - depth(a) || a.length - b.length)[0] ?? []
  }
  const found = path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined),
    root,
  )
  const shown = found === undefined ? 'missing' : JSON.stringify(found)
  return [{ at: path, message: `${path.join('.') || '(top level)'} is ${shown}: ${issue.message}` }]
}

/** file:line:column of a path, or of its deepest ancestor that exists in the file. */
function locate(document: Document, lines: LineCounter, file: string, at: readonly PropertyKey[]): string {
  for (let length = at.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(at.slice(0, length - 1), true)
    const key = at[length - 1]
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key))
      if (isNode(pair?.key) && pair.key.range) return position(lines, file, pair.key.range[0])
    }
    const node = document.getIn(at.slice(0, length), true)
    if (isNode(node) && node.range) return position(lines, file, node.range[0])
  }
  return `${file}:1:1`
}

function position(lines: LineCounter, file: string, offset: number): string {
  const { line, col } = lines.linePos(offset)
  return `${file}:${line}:${col}`
}
