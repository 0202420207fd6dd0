import type { Launcher } from '../../bridge/launcher.ts'
import type { Limits } from '../../bridge/limits.ts'
import type { WorkerStates } from '../../bridge/worker-states.ts'

export interface TorchBackendOptions {
  /** Folder or hub name of the base model. It is loaded when it is first needed. */
  readonly model: string
  readonly revision?: string | undefined
  /** `auto`: float32 on CPU, the checkpoint's own type on accelerators. */
  readonly dtype: 'auto' | 'float32' | 'bfloat16'
  /** `auto`: native where it knows the model, transformers otherwise. */
  readonly engine: 'auto' | 'native' | 'transformers'
  /** The same seed gives the same text whatever else is in the batch; CPU and float32 only. */
  readonly deterministic: boolean
  /** Lets the model's repository run its own Python code in the workers. */
  readonly trustRemoteCode: boolean
  /** CPU threads per worker. */
  readonly threads?: number | undefined
  /** How workers are started, and on which devices. */
  readonly launcher: Launcher
  /** Workers; as many as the launcher has devices for if absent. */
  readonly ranks?: number
  /** Address of this machine that workers on other machines reach. */
  readonly listen?: string | undefined
  /** How several workers hold all weights when those are trained; whole on each if absent. */
  readonly sharding?: 'none' | 'fsdp2'
  /** Where each worker's output goes, one file per start. */
  readonly logDirectory: string
  /** How often in a row each worker may be started again after it died without having done any work; 3 by default. */
  readonly restarts?: number
  readonly limits?: Partial<Limits>
  /** Told once per text, for example about library versions that nobody has tested. */
  readonly onWarning?: (message: string) => void
  /** Told when workers start, work, rest or end, once a second at most. */
  readonly onWorkers?: (states: WorkerStates) => void
}
