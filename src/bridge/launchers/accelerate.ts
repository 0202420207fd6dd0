import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseYaml } from 'yaml'
import * as z from 'zod'
import { ElenchusError } from '../../errors.ts'
import type { Launch, Launcher } from '../launcher.ts'
import { launchProgram, renderProgram, tied, type ProgramLaunch } from './program-launch.ts'
import { checkPython, choosePython, RUNTIME_FOLDER } from './python.ts'
import { sharedEnvironment } from './worker-environment.ts'

export interface AccelerateOptions {
  readonly python?: string | undefined
  readonly devices?: readonly number[] | 'cpu'
  readonly threads?: number | undefined
  /** The user's own file for `accelerate launch --config_file`. */
  readonly configFile?: string | undefined
}

/** What of a user's file concerns us; accelerate reads the rest. */
const configSchema = z.looseObject({
  distributed_type: z.string().default('NO'),
  num_processes: z.number().int().positive().optional(),
  num_machines: z.number().int().positive().default(1),
  mixed_precision: z.union([z.string(), z.boolean()]).optional(),
})
export type AccelerateConfig = z.infer<typeof configSchema>

/** Set-ups in which accelerate itself would wrap or replace the training loop; ours does not run in them. */
const OTHER_LOOPS = new Set(['DEEPSPEED', 'MEGATRON_LM', 'XLA', 'TPU'])

/** @throws ElenchusError `file_missing` or `config_invalid` with what is wrong in it. */
export function readAccelerateConfig(path: string): AccelerateConfig {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new ElenchusError('file_missing', `Cannot read the accelerate configuration ${path}.`, { cause })
  }
  const parsed = configSchema.safeParse(parseYaml(text))
  if (!parsed.success) {
    throw new ElenchusError(
      'config_invalid',
      `${path} is no accelerate configuration: ${z.prettifyError(parsed.error)}`,
    )
  }
  const { distributed_type: type, num_machines: machines } = parsed.data
  if (OTHER_LOOPS.has(type)) {
    throw new ElenchusError(
      'config_invalid',
      `${path}: distributed_type ${type} is not supported; use MULTI_GPU or FSDP.`,
    )
  }
  if (machines > 1) {
    throw new ElenchusError(
      'config_invalid',
      `${path}: num_machines is ${machines}; several machines are started with --launcher torchrun or slurm.`,
    )
  }
  return parsed.data
}

/** Starts all ranks with `accelerate launch` on this machine. */
export function accelerateLauncher(options: AccelerateOptions): Launcher {
  const python = choosePython(options.python)
  const { devices, configFile } = options
  const config = configFile === undefined ? null : readAccelerateConfig(configFile)
  const program = (launch: Launch): ProgramLaunch => ({
    title: 'all ranks, on this machine',
    name: 'accelerate',
    argv: accelerateCommand(python, launch, configFile),
    environment: {
      ...sharedEnvironment(
        launch,
        {
          devices: devices ?? 'default',
          pythonPath: [RUNTIME_FOLDER],
          ...(options.threads !== undefined && { threads: options.threads }),
        },
        process.env,
        existsSync('/dev/nvidiactl'),
      ),
      // One rank is started without a launcher of torch's, which would say so.
      ...(launch.worldSize === 1 && { RANK: '0', WORLD_SIZE: '1', LOCAL_RANK: '0' }),
    },
  })
  return {
    name: 'accelerate',
    defaultRanks: Array.isArray(devices) ? Math.max(1, devices.length) : (config?.num_processes ?? 1),
    sharesFiles: false,
    mixesOutput: true,
    restarts: 'group',
    prepare: () => checkPython(python, ['accelerate']),
    render: (launch) => renderProgram(program(launch)),
    launch: (launch) => launchProgram(program(launch), launch),
    reattach: () => Promise.resolve(null),
  }
}

function accelerateCommand(
  python: string,
  { worldSize, logDirectory }: Launch,
  configFile: string | undefined,
): [string, ...string[]] {
  const config = configFile === undefined ? [] : ['--config_file', configFile]
  // What to do with one process or many is ours to say, and the file's where it says FSDP.
  const fsdp = configFile !== undefined && readAccelerateConfig(configFile).distributed_type === 'FSDP'
  const many = worldSize > 1 && !fsdp ? ['--multi_gpu'] : []
  return tied(python, [
    python,
    '-m',
    'accelerate.commands.launch',
    ...config,
    ...many,
    '--num_processes',
    String(worldSize),
    '--num_machines',
    '1',
    // A free port: two runs on one machine must not meet.
    '--main_process_port',
    '0',
    // Otherwise it leaves folders in the system's temporary one.
    '--log_dir',
    join(logDirectory, 'accelerate'),
    '--dynamo_backend',
    'no',
    '--module',
    'elenchus_runtime.worker',
  ])
}
