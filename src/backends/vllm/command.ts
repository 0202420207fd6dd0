/** What decides how one `vllm serve` is started. */
export interface VllmServeOptions {
  /** Folder or hub name of the base model. */
  readonly model: string
  readonly port: number
  /** Program and first arguments. @default ['vllm'] */
  readonly command?: readonly [string, ...string[]] | undefined
  readonly dtype?: 'auto' | 'float32' | 'bfloat16' | undefined
  /** Largest rank of an adapter that it will be given. @default 64 */
  readonly maxLoraRank?: number | undefined
  /** Further arguments, at the end: they win. */
  readonly args?: readonly string[] | undefined
}

/** Adapters that are on the GPU at once: those that the backend keeps loaded. */
const MOST_ADAPTERS = 4

/** The command line of one server; it listens on loopback only. */
export function serveCommand(options: VllmServeOptions): readonly [string, ...string[]] {
  const [program, ...before] = options.command ?? ['vllm']
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
    String(options.maxLoraRank ?? 64),
    // Log-probabilities of what was sampled, temperature and top-p included: what training is told.
    '--logprobs-mode',
    'processed_logprobs',
    // Sampling as we ask for it, not as the model's repository recommends.
    '--generation-config',
    'vllm',
    ...(options.args ?? []),
  ]
}

/** What its environment has to say beside the user's own; `gpu` is a device of CUDA_VISIBLE_DEVICES. */
export function serveEnvironment(
  gpu: number | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const visible = environment['CUDA_VISIBLE_DEVICES']
  const names = visible === undefined || visible === '' ? undefined : visible.split(',')
  return {
    // Adapters come and go while it runs; it listens on loopback, and loads folders of this machine only.
    VLLM_ALLOW_RUNTIME_LORA_UPDATING: 'True',
    VLLM_NO_USAGE_STATS: '1',
    ...(gpu !== undefined && { CUDA_VISIBLE_DEVICES: names?.[gpu]?.trim() ?? String(gpu) }),
  }
}
