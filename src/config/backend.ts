import * as z from 'zod'

/** Where and how tensors are computed. Placement: it decides speed, not results, and is not compared on resume. */
export const backendSchema = z.strictObject({
  engine: z.enum(['auto', 'native', 'transformers']).default('auto'),
  dtype: z.enum(['auto', 'float32', 'bfloat16']).default('auto'),
  gpus: z
    .array(z.number().int().nonnegative())
    .default([])
    .describe(
      'Devices relative to CUDA_VISIBLE_DEVICES, one worker each; empty: one worker on the default device.',
    ),
  num_processes: z
    .number()
    .int()
    .positive()
    .optional()
    .describe(
      'Workers, over all machines; absent: one per device. On the CPU this is the way to have several.',
    ),
  launcher: z.enum(['spawn']).default('spawn'),
  deterministic: z
    .boolean()
    .default(false)
    .describe('The same seed gives the same text whatever else is in the batch (CPU, float32).'),
  trust_remote_code: z.boolean().default(false),
  threads: z
    .number()
    .int()
    .positive()
    .optional()
    .describe("CPU threads per worker; absent: torch's own choice on GPU machines, 1 on CPU."),
})
export type BackendConfig = z.infer<typeof backendSchema>
