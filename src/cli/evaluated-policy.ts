import { join } from 'node:path'
import type { PolicyRef } from '../backends/backend.ts'
import type { TorchBackend } from '../backends/torch/torch.ts'
import { resolveModel } from '../pipelines/model-reference.ts'
import type { EventSink } from '../runs/events.ts'
import { openTorch, policyOf, readBackendFlags } from './backend.ts'
import type { ModelOptions } from './commands/shared.ts'

/** The model that the flags name, ready to be evaluated; with `--merge-adapter` as a second, merged copy. */
export async function openEvaluated(
  options: ModelOptions & { readonly mergeAdapter?: boolean },
  dir: string,
  events: EventSink,
): Promise<{ readonly backend: TorchBackend; readonly policy: PolicyRef }> {
  const reference = await resolveModel(options)
  const backend = openTorch(readBackendFlags({ ...options }), reference.base, {
    logDirectory: join(dir, 'logs'),
    events,
  })
  try {
    const policy = await policyOf(backend, reference)
    if (options.mergeAdapter !== true || policy.kind !== 'adapter') return { backend, policy }
    const merged = join(dir, 'merged')
    await backend.saveMerged(policy, merged)
    await backend.switchModel(merged)
    return { backend, policy: { kind: 'base', fingerprint: (await backend.info()).fingerprint } }
  } catch (error) {
    await backend[Symbol.asyncDispose]()
    throw error
  }
}
