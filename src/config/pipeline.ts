import * as z from 'zod'
import { abelSchema } from './abel.ts'
import { oakSchema } from './oak.ts'

/** A configuration file of `elenchus run`: its key `pipeline` says which. */
export const pipelineSchema = z.discriminatedUnion('pipeline', [oakSchema, abelSchema])
export type PipelineConfig = z.infer<typeof pipelineSchema>
