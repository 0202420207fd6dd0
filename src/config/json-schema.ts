import * as z from 'zod'
import { abelSchema } from './abel.ts'
import { oakSchema } from './oak.ts'

/** The schema of each kind of configuration file, by the value of its key `pipeline`. */
export const CONFIG_SCHEMAS = { oak: oakSchema, abel: abelSchema } as const
export type ConfigKind = keyof typeof CONFIG_SCHEMAS
export const CONFIG_KINDS: readonly ConfigKind[] = ['oak', 'abel']

/** Its JSON Schema, with which editors complete and check a file as it is written. */
export function configJsonSchema(kind: ConfigKind): Record<string, unknown> {
  const schema = z.toJSONSchema(CONFIG_SCHEMAS[kind], {
    io: 'input',
    override: ({ jsonSchema }) => {
      // Said of every integer, and of no use to anybody.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
    },
  })
  const { $schema, ...rest } = schema
  return { $schema, title: `elenchus run: pipeline ${kind}`, ...rest }
}
