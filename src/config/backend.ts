import * as z from 'zod'
import { vllmSchema } from './served.ts'

export const LAUNCHERS = ['spawn', 'accelerate', 'torchrun', 'command', 'slurm', 'ray'] as const

/** Where the processes of the workers come from; each setting names the launchers that look at it. */
const launching = {
  launcher: z
    .enum(LAUNCHERS)
    .default('spawn')
    .describe('What starts the workers: plain processes, or a launcher or scheduler that you use.'),
  listen: z
    .string()
    .optional()
    .describe(
      'IP address of this machine that workers on other machines reach; everything on it is encrypted.',
    ),
  nnodes: z.number().int().positive().default(1).describe('Machines (torchrun, slurm).'),
  node_rank: z
    .number()
    .int()
    .nonnegative()
    .default(0)
    .describe('Which of them this is (torchrun); 0 runs the pipeline, the others only serve it.'),
  rdzv_endpoint: z
    .string()
    .regex(/^[^\s:/]+:\d+$/, 'must be HOST:PORT')
    .optional()
    .describe('HOST:PORT of the first machine where torchrun’s nodes meet.'),
  accelerate_config: z.string().optional().describe('Your own file for `accelerate launch --config_file`.'),
  launch_command: z
    .array(z.string())
    .optional()
    .describe(
      'Argument list that starts one worker (command), for example ["ssh", "{host}", "--", "{cmd}"].',
    ),
  hosts: z
    .array(z.string())
    .default([])
    .describe('Machines for {host}; workers are dealt to them in blocks.'),
  remote_python: z
    .string()
    .optional()
    .describe('Interpreter where the workers run (command, slurm, ray); absent: the path of the one here.'),
  master_port: z
    .number()
    .int()
    .min(1024)
    .max(65535)
    .default(29_500)
    .describe('Free port of the first machine where the workers of a training meet (command, slurm).'),
  slurm: z
    .strictObject({
      partition: z.string().optional(),
      account: z.string().optional(),
      time: z.string().optional(),
      gpus_per_node: z.number().int().nonnegative().default(8),
      options: z
        .array(z.string().regex(/^--[^\n]+$/, 'must be one --option'))
        .default([])
        .describe('Further #SBATCH options, for example ["--qos=high"].'),
    })
    .prefault({}),
  ray: z
    .strictObject({
      address: z.url().default('http://127.0.0.1:8265'),
      gpus_per_rank: z.number().nonnegative().default(1),
      cpus_per_rank: z.number().nonnegative().default(1),
    })
    .prefault({}),
} as const

const seconds = z.number().positive().optional()

/** Where and how tensors are computed. Placement: it decides speed, not results, and is not compared on resume. */
export const backendSchema = z.strictObject({
  engine: z
    .enum(['auto', 'native', 'transformers', 'vllm'])
    .default('auto')
    .describe(
      'What samples: one of the workers’ own engines, or your vLLM, started per device; scoring, training and PPO’s sampling are always the workers’.',
    ),
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
  sharding: z
    .enum(['none', 'fsdp2'])
    .default('none')
    .describe('How several workers train all weights: fsdp2 shards gradients and optimiser over them.'),
  ...launching,
  deterministic: z
    .boolean()
    .default(false)
    .describe('The same seed gives the same text whatever else is in the batch (CPU, float32).'),
  trust_remote_code: z.boolean().default(false),
  vllm: vllmSchema.prefault({}),
  threads: z
    .number()
    .int()
    .positive()
    .optional()
    .describe("CPU threads per worker; absent: torch's own choice on GPU machines, 1 on CPU."),
  limits: z
    .strictObject({
      import: seconds.describe(
        'Seconds without progress while a worker imports, before it counts as stalled (180).',
      ),
      load: seconds.describe('The same while it loads or saves weights (900).'),
      first_step: seconds.describe('The same in its first step of a training, which may compile (900).'),
      step: seconds.describe('The same in any other step, of training or sampling (300).'),
    })
    .prefault({}),
})
export type BackendConfig = z.infer<typeof backendSchema>
