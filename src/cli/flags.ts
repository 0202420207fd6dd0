import type { Command } from 'commander'
import { Option } from 'commander'
import { parse as parseYaml } from 'yaml'
import * as z from 'zod'
import { ElenchusError } from '../errors.ts'

/**
 * Flags made from a config schema, so that a setting has one name, one type, one default and one
 * description: `learning_rate` in YAML is `--learning-rate` here, `lora.rank` is `--lora-rank`.
 */
export function addSchemaFlags(command: Command, schema: z.ZodObject, skip: readonly string[] = []): Command {
  // A command may take flags of several schemas; where both have a setting, the first describes it.
  const taken = new Set(command.options.map(({ long }) => long))
  for (const { flag, field } of leaves(schema)) {
    if (skip.includes(flag) || taken.has(`--${flag}`)) continue
    // A bare boolean flag means true; `--flag false` and `--flag=false` work too.
    const value = unwrap(field) instanceof z.ZodBoolean ? '[value]' : '<value>'
    command.addOption(new Option(`--${flag} ${value}`, describe(field)))
  }
  return command
}

/**
 * The settings that were given as flags, checked by the schema, everything else at its default.
 * @throws ElenchusError `usage` that names each offending flag, what it got and what is allowed.
 */
export function readSchemaFlags<T extends z.ZodObject>(
  schema: T,
  options: Readonly<Record<string, unknown>>,
  fixed: Readonly<Record<string, unknown>> = {},
): z.infer<T> {
  const value: Record<string, unknown> = structuredClone(fixed)
  for (const given of givenSettings(schema, options)) setIn(value, given.path, given.value)
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const messages = result.error.issues.map((issue) => {
    const flag = `--${issue.path.map(String).join('-').replaceAll('_', '-')}`
    const found = issue.path.reduce<unknown>(
      (inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined),
      value,
    )
    return found === undefined ? `${flag} is required` : `${flag} ${JSON.stringify(found)}: ${issue.message}`
  })
  throw new ElenchusError('usage', messages.join('\n'))
}

/** The settings that were given as flags, as they were given. */
export function givenSettings(
  schema: z.ZodObject,
  options: Readonly<Record<string, unknown>>,
): { readonly flag: string; readonly path: readonly string[]; readonly value: unknown }[] {
  return leaves(schema).flatMap(({ flag, path }) => {
    const given = options[camelCase(flag)]
    return given === undefined
      ? []
      : { flag, path, value: typeof given === 'string' ? parseYaml(given) : given }
  })
}

/**
 * For commands whose flags belong to several schemas: a setting that would reach nothing is refused.
 * @throws ElenchusError `usage` that names every given flag of `other` that `own` does not have.
 */
export function refuseForeignFlags(
  own: z.ZodObject,
  other: z.ZodObject,
  options: Readonly<Record<string, unknown>>,
  reason: string,
): void {
  const foreign = foreignFlags(own, other, options)
  if (foreign.length === 0) return
  throw new ElenchusError('usage', `${foreign.map((flag) => `--${flag}`).join(', ')}: ${reason}`)
}

/** Given flags of another schema that a command does not know with its own. */
export function foreignFlags(
  own: z.ZodObject,
  other: z.ZodObject,
  options: Readonly<Record<string, unknown>>,
): string[] {
  const known = new Set(leaves(own).map(({ flag }) => flag))
  return leaves(other)
    .map(({ flag }) => flag)
    .filter((flag) => !known.has(flag) && options[camelCase(flag)] !== undefined)
}

interface Leaf {
  readonly flag: string
  readonly path: readonly string[]
  readonly field: z.core.$ZodType
}

/** Every setting of a schema; nested objects are flattened with their name as prefix. */
function leaves(schema: z.ZodObject, prefix: readonly string[] = []): Leaf[] {
  return Object.entries(schema.shape).flatMap(([key, field]) => {
    const path = [...prefix, key]
    const inner = unwrap(field)
    if (inner instanceof z.ZodObject) return leaves(inner, path)
    return [{ flag: path.join('-').replaceAll('_', '-'), path, field }]
  })
}

function unwrap(field: z.core.$ZodType): z.core.$ZodType {
  if (
    field instanceof z.ZodDefault ||
    field instanceof z.ZodPrefault ||
    field instanceof z.ZodOptional ||
    field instanceof z.ZodNullable
  ) {
    return unwrap(field.unwrap())
  }
  return field
}

function describe(field: z.core.$ZodType): string {
  const inner = unwrap(field)
  const parts = [descriptionOf(field) ?? descriptionOf(inner) ?? '']
  if (inner instanceof z.ZodEnum) parts.push(`one of ${inner.options.join(', ')}`)
  if (inner instanceof z.ZodBoolean) parts.push('true or false')
  const fallback = field instanceof z.ZodDefault ? field.def.defaultValue : undefined
  if (fallback !== undefined) parts.push(`default ${JSON.stringify(fallback)}`)
  // A sentence that something follows ends without its full stop.
  const said = parts.filter((part) => part !== '')
  return said.map((part, index) => (index === said.length - 1 ? part : part.replace(/\.$/, ''))).join('; ')
}

function descriptionOf(field: z.core.$ZodType): string | undefined {
  return z.globalRegistry.get(field)?.description
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

function setIn(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let map: object = target
  for (const key of path.slice(0, -1)) {
    const inner: unknown = Reflect.get(map, key)
    const next = typeof inner === 'object' && inner !== null ? inner : {}
    Reflect.set(map, key, next)
    map = next
  }
  Reflect.set(map, path.at(-1) ?? '', value)
}
