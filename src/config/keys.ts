import * as z from 'zod'

/** The keys that a schema allows at a place, where it is a map of fixed keys there; empty otherwise. */
export function keysAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  const [key, ...rest] = path
  if (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable
  ) {
    return keysAt(schema.unwrap(), path)
  }
  if (schema instanceof z.ZodUnion) {
    return [...new Set(schema.options.flatMap((option) => keysAt(option, path)))]
  }
  if (schema instanceof z.ZodObject) {
    if (key === undefined) return Object.keys(schema.shape)
    const inner: z.core.$ZodType | undefined = schema.shape[String(key)]
    return inner === undefined ? [] : keysAt(inner, rest)
  }
  if (schema instanceof z.ZodArray && key !== undefined) return keysAt(schema.element, rest)
  if (schema instanceof z.ZodRecord && key !== undefined) return keysAt(schema.valueType, rest)
  return []
}
