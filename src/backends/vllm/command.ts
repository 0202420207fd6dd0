import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { ElenchusError } from '../../errors.ts'

/** What decides how one `vllm serve` is started. */
export interface VllmServeOptions {
  /** Folder or hub name of the base model. */
  readonly model: string
  /** Text where only the command is to be shown. */
  readonly port: number | string
  /** Program and first arguments. @default ['vllm'] */
  readonly command?: readonly [string, ...string[]] | undefined
  readonly dtype?: 'auto' | 'float32' | 'bfloat16' | undefined
  /** Largest rank of an adapter that it will be given. @default 64 */
  readonly maxLoraRank?: number | undefined
  /** Lets the model's repository run its own Python code. */
  readonly trustRemoteCode?: boolean | undefined
  /** Further arguments, at the end: they win. */
  readonly args?: readonly string[] | undefined
}

export const DEFAULT_COMMAND = ['vllm'] as const
/** Adapters that are on the GPU at once: those that the backend keeps loaded. */
const MOST_ADAPTERS = 4
/** Those that `--max-lora-rank` takes. */
const RANKS = [1, 8, 16, 32, 64, 128, 256, 320, 512]

/** The command line of one server; it listens on loopback only. */
export function serveCommand(options: VllmServeOptions): readonly [string, ...string[]] {
  const [program, ...before] = options.command ?? DEFAULT_COMMAND
  const { maxLoraRank: rank = 64 } = options
  return [
    program,
    ...before,
    'serve',
    options.model,
    '--host',
    '127.0.0.1',
    '--port',
    String(options.port),
    '--served-model-name',
    options.model,
    '--dtype',
    options.dtype ?? 'auto',
    '--enable-lora',
    '--max-loras',
    String(MOST_ADAPTERS),
    '--max-cpu-loras',
    String(2 * MOST_ADAPTERS),
    '--max-lora-rank',
    String(RANKS.find((allowed) => allowed >= rank) ?? rank),
    // Log-probabilities of what was sampled, temperature and top-p included: what training is told.
    '--logprobs-mode',
    'processed_logprobs',
    // Sampling as we ask for it, not as the model's repository recommends. Its end-of-text tokens stay in force.
    '--generation-config',
    'vllm',
    // One thread reads what all devices write, and it is the events that cost. What is behind a stop is cut off here.
    '--stream-interval',
    '8',
    // A line per request would hide why a server ended.
    '--disable-uvicorn-access-log',
    ...(options.trustRemoteCode === true ? ['--trust-remote-code'] : []),
    ...(options.args ?? []),
  ]
}

/** What its environment has to say beside the user's own; `gpu` is a device of CUDA_VISIBLE_DEVICES. */
export function serveEnvironment(
  { gpu, key, readyMs }: { readonly gpu: number | undefined; readonly key: string; readonly readyMs: number },
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const visible = environment['CUDA_VISIBLE_DEVICES']
  const names = visible === undefined || visible === '' ? undefined : visible.split(',')
  return {
    // Adapters come and go while it runs; it listens on loopback, and answers nobody without its key.
    VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True',
    VLLM_API_KEY: key,
    VLLM_NO_USAGE_STATS: '1',
    // Its own limit is ten minutes, which large models on a slow disk need more than.
    VLLM_ENGINE_READY_TIMEOUT_S:
      environment['VLLM_ENGINE_READY_TIMEOUT_S'] ?? String(Math.ceil(readyMs / 1000)),
    ...(gpu !== undefined && { CUDA_VISIBLE_DEVICES: names?.[gpu]?.trim() ?? String(gpu) }),
  }
}

/**
 * Where the program of a command is.
 * @throws ElenchusError `environment` where there is none: told before anything starts.
 */
export async function findProgram([program]: readonly [string, ...string[]]): Promise<string> {
  const folders = program.includes('/') ? [''] : (process.env['PATH'] ?? '').split(delimiter)
  for (const folder of folders) {
    const path = folder === '' ? program : join(folder, program)
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path
  }
  throw noProgram(program)
}

export function noProgram(program: string): ElenchusError {
  return new ElenchusError('environment', `There is no program "${program}".`, {
    hint: 'Install vLLM in an environment of its own and name its program with --vllm-command.',
  })
}
