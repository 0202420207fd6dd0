import { createTorchBackend, type TorchBackend } from '../backends/torch/torch.ts'
import type { BackendConfig } from '../config/backend.ts'
import type { EventSink } from '../runs/events.ts'
import { dtypeOf, launcherOf, limitsOf } from './launchers.ts'

/** The torch backend with one worker per device. */
export function openTorch(
  config: BackendConfig,
  model: string,
  options: { readonly logDirectory: string; readonly events: EventSink },
): TorchBackend {
  if (config.engine === 'vllm') {
    options.events({
      type: 'warning',
      stage: 'backend',
      message:
        'engine vllm has no part in this: training, and sampling from weights in training, are the workers’.',
    })
  }
  return createTorchBackend({
    model,
    dtype: dtypeOf(config),
    engine: config.engine === 'vllm' ? 'auto' : config.engine,
    deterministic: config.deterministic,
    trustRemoteCode: config.trust_remote_code,
    threads: config.threads,
    launcher: launcherOf(config),
    listen: config.listen,
    sharding: config.sharding,
    limits: limitsOf(config),
    ...(config.num_processes !== undefined && { ranks: config.num_processes }),
    logDirectory: options.logDirectory,
    onWarning: (message) => options.events({ type: 'warning', stage: 'backend', message }),
    onWorkers: (states) => options.events({ type: 'workers', stage: 'backend', ...states }),
  })
}
