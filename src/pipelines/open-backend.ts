import { join } from 'node:path'
import { AlternatingBackend } from '../backends/alternating.ts'
import { DEFAULT_COMMAND, findProgram } from '../backends/vllm/command.ts'
import { createVllmBackend, type VllmBackendOptions } from '../backends/vllm/vllm.ts'
import type { BackendConfig } from '../config/backend.ts'
import type { PipelineConfig } from '../config/pipeline.ts'
import { ElenchusError } from '../errors.ts'
import type { EventSink } from '../runs/events.ts'
import { dtypeOf } from './launchers.ts'
import { openTorch } from './open-torch.ts'
import type { PipelineContext } from './weights.ts'

/** What a configuration says of vLLM's servers, besides the model. */
export type VllmSettings = { readonly command: readonly [string, ...string[]] } & Pick<
  VllmBackendOptions,
  'args' | 'gpus' | 'dtype' | 'maxLoraRank' | 'trustRemoteCode' | 'concurrency' | 'retries' | 'readyMs'
>

export function vllmSettings(config: BackendConfig): VllmSettings {
  const { vllm } = config
  return {
    command: commandOf(vllm),
    args: vllm.args,
    gpus: vllm.gpus ?? config.gpus,
    dtype: config.dtype,
    maxLoraRank: vllm.max_lora_rank,
    trustRemoteCode: config.trust_remote_code,
    concurrency: vllm.concurrency,
    retries: vllm.retries,
    readyMs: vllm.ready * 1000,
  }
}

/** Program and first arguments. */
export function commandOf({ command }: BackendConfig['vllm']): readonly [string, ...string[]] {
  const [program = DEFAULT_COMMAND[0], ...parameters] = typeof command === 'string' ? [command] : command
  return [program, ...parameters]
}

/** Whether the workers and vLLM's servers are to be on the same devices. */
export function sharesDevices({ gpus, vllm }: BackendConfig): boolean {
  if (vllm.gpus === undefined || vllm.gpus.length === 0) return true
  const workers = gpus.length === 0 ? [0] : gpus
  return vllm.gpus.some((gpu) => workers.includes(gpu))
}

/** @throws ElenchusError `config_invalid` where the workers cannot be ended and started for vLLM. */
export function refuseElsewhere({ engine, launcher, nnodes }: BackendConfig): void {
  if (engine !== 'vllm') return
  if (['spawn', 'accelerate', 'torchrun'].includes(launcher) && nnodes === 1) return
  throw new ElenchusError(
    'config_invalid',
    `engine vllm starts its servers on this machine, and cannot take turns with workers that ${launcher} starts${nnodes > 1 ? ` on ${nnodes} machines` : ''}.`,
    { hint: 'Use --launcher spawn, accelerate or torchrun on one machine, or another engine.' },
  )
}

/** The backend of a whole pipeline: our own workers, or with `engine: vllm` vLLM for whatever only samples. */
export async function openBackend(
  config: PipelineConfig,
  surroundings: { readonly logDirectory: string; readonly events: EventSink },
): Promise<PipelineContext['backend']> {
  const { backend } = config
  const model = 'path' in config.model ? config.model.path : join(config.output, 'base', 'drill', 'initial')
  if (backend.engine !== 'vllm') return openTorch(backend, model, surroundings)
  return openAlternating(config, model, surroundings)
}

async function openAlternating(
  pipelineConfig: PipelineConfig,
  model: string,
  surroundings: { readonly logDirectory: string; readonly events: EventSink },
): Promise<AlternatingBackend> {
  const { backend: config, pipeline } = pipelineConfig
  const { logDirectory, events } = surroundings
  const warn = (message: string): void => events({ type: 'warning', stage: 'backend', message })
  refuseElsewhere(config)
  const settings = vllmSettings(config)
  await findProgram(settings.command)
  if (pipeline === 'abel') {
    warn(
      'PPO samples from the weights in training, so the workers do that; vLLM does rollouts and evaluation.',
    )
  }
  if (config.deterministic) {
    warn("deterministic holds for the workers only: vLLM's texts may depend on what else is in its batch.")
  }
  const dtype = dtypeOf(config)
  const size = Math.max(1, settings.gpus?.length ?? 0)
  const tell = (starting: number): void =>
    events({ type: 'workers', stage: 'backend', starting, busy: size - starting, idle: 0, down: 0 })
  return new AlternatingBackend({
    trainer: openTorch({ ...config, engine: 'auto' }, model, surroundings),
    model,
    sharesDevices: sharesDevices(config),
    async openSampler(base, signal) {
      tell(size)
      const sampler = await createVllmBackend(
        {
          ...settings,
          maxLoraRank: Math.max(config.vllm.max_lora_rank, ...ranksOf(pipelineConfig)),
          model: base.model,
          fingerprint: base.fingerprint,
          // vLLM would halve what the workers hold in full precision.
          dtype: dtype === 'auto' ? precisionOf(base.dtype) : dtype,
          logDirectory,
          onWarning: warn,
        },
        { signal },
      )
      tell(0)
      return sampler
    },
  })
}

/** Of the adapters that a pipeline makes. */
function ranksOf(config: PipelineConfig): number[] {
  const first = config.pipeline === 'oak' ? config.sft.lora : config.ppo.lora
  return [first, config.dpo.lora].flatMap((lora) => lora?.rank ?? [])
}

function precisionOf(dtype: string | undefined): NonNullable<VllmSettings['dtype']> {
  return dtype === 'float32' || dtype === 'bfloat16' ? dtype : 'auto'
}
