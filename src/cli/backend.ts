import type { Command } from 'commander'
import type { PolicyRef } from '../backends/backend.ts'
import type { TorchBackend } from '../backends/torch/torch.ts'
import { backendSchema, type BackendConfig } from '../config/backend.ts'
import type { ModelReference } from '../pipelines/model-reference.ts'
import { addSchemaFlags, readSchemaFlags } from './flags.ts'
import { dtypeOfPrecision } from '../pipelines/launchers.ts'

export { openTorch } from '../pipelines/open-torch.ts'

/**
 * The flags that say where tensors are computed, with those of the launchers that people know: `--num-gpus 4`
 * means `--gpus 0,1,2,3`, `--mixed-precision bf16` means `--dtype bfloat16`.
 */
export function addBackendFlags(command: Command): Command {
  return addSchemaFlags(command, backendSchema, ['gpus'])
    .option('--gpus <list>', 'devices relative to CUDA_VISIBLE_DEVICES, one worker each, for example 0,1,2,3')
    .option('--num-gpus <n>', 'the first n devices')
    .option('--nproc-per-node <n>', 'workers on each of the --nnodes machines, instead of --num-processes')
    .option('--mixed-precision <p>', "accelerate's name for --dtype: bf16 or no")
    .option('--config-file <file>', "accelerate's name for --accelerate-config")
    .option('--dry-run', 'check flags and data, print what would be launched and what it takes, and stop')
}

export function readBackendFlags(options: Readonly<Record<string, unknown>>): BackendConfig {
  const { gpus, numGpus, mixedPrecision } = options
  const list =
    typeof gpus === 'string'
      ? parseGpus(gpus)
      : typeof numGpus === 'string'
        ? Array.from({ length: Number(numGpus) }, (_, index) => index)
        : []
  return readSchemaFlags(backendSchema, {
    ...options,
    gpus: list,
    numProcesses: options['numProcesses'] ?? processesOf(options),
    accelerateConfig: options['accelerateConfig'] ?? options['configFile'],
    dtype:
      options['dtype'] ?? (typeof mixedPrecision === 'string' ? dtypeOfPrecision(mixedPrecision) : undefined),
  })
}

/** `--nproc-per-node` counts the workers of one machine. */
function processesOf({ nprocPerNode, nnodes }: Readonly<Record<string, unknown>>): number | undefined {
  if (nprocPerNode === undefined) return undefined
  return Number(nprocPerNode) * (nnodes === undefined ? 1 : Number(nnodes))
}

/** `0,1,2,3` as numbers. What is no number is left for the schema to refuse. */
export function parseGpus(text: string): number[] {
  return text.split(',').flatMap((part) => (part.trim() === '' ? [] : Number(part)))
}

/** The policy that a model reference names, with the fingerprint of its weights. */
export async function policyOf(backend: TorchBackend, reference: ModelReference): Promise<PolicyRef> {
  if (reference.adapter !== null) return backend.adapterPolicy(reference.adapter)
  const { fingerprint } = await backend.info()
  return { kind: 'base', fingerprint }
}
