import { randomUUID } from 'node:crypto'
import { ElenchusError } from '../../errors.ts'
import type { PolicyRef, StepResult, TrainBatch, TrainingOptions, TrainingSession } from '../backend.ts'
import { wireBatch } from './batches.ts'
import { checkFingerprint, type SharedState, type WorkerHandle, type WorkerModels } from './worker-models.ts'

/** Failures after which there is nothing left on the worker that could be ended. */
const GONE: ReadonlySet<string> = new Set([
  'worker_died',
  'worker_stalled',
  'protocol_violation',
  'cancelled',
])

/** Opens a session on one worker: the adapter or the base it trains, the optimiser, the numbered steps. */
export async function openTraining(
  worker: WorkerModels,
  shared: SharedState,
  options: TrainingOptions,
  deterministic: boolean,
): Promise<TrainingSession> {
  const { signal } = options
  const { handle } = await worker.base(signal)
  const adapter = options.target.kind === 'full' ? null : `training-${randomUUID()}`
  const session = new TorchTrainingSession(worker, handle, shared, adapter, signal)
  try {
    if (adapter !== null) await prepareAdapter(handle, adapter, options)
    await session.begin(options, deterministic)
    return session
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
}

async function prepareAdapter(
  worker: WorkerHandle,
  name: string,
  { target, seed, signal }: TrainingOptions,
): Promise<void> {
  if (target.kind === 'new-adapter') {
    const { rank, alpha, dropout, targetModules } = target.lora
    const modules = targetModules === 'all-linear' ? targetModules : [...targetModules]
    const body = { name, rank, alpha, dropout, target_modules: modules, seed }
    await worker.call('adapter.create', body, { signal }).result
  } else if (target.kind === 'adapter') {
    const { policy } = target
    if (policy.kind !== 'adapter') {
      throw new ElenchusError('bad_request', 'Training goes on from an adapter; the base is no adapter.', {
        hint: 'Train a new adapter, or every weight.',
      })
    }
    const body = { name, path: policy.path, trainable: true }
    const { fingerprint } = (await worker.call('adapter.load', body, { signal }).result).body
    checkFingerprint(`The adapter ${policy.path}`, fingerprint, policy)
  }
}

class TorchTrainingSession implements TrainingSession {
  readonly #worker: WorkerModels
  readonly #handle: WorkerHandle
  readonly #shared: SharedState
  /** `null`: every weight of the base is trained. */
  readonly #adapter: string | null
  readonly #signal: AbortSignal | undefined
  readonly #session = randomUUID()
  #trainableParameters = 0
  #begun = false

  constructor(
    worker: WorkerModels,
    handle: WorkerHandle,
    shared: SharedState,
    adapter: string | null,
    signal: AbortSignal | undefined,
  ) {
    this.#worker = worker
    this.#handle = handle
    this.#shared = shared
    this.#adapter = adapter
    this.#signal = signal
  }

  get trainableParameters(): number {
    return this.#trainableParameters
  }

  async begin(options: TrainingOptions, deterministic: boolean): Promise<void> {
    const { optimizer } = options
    const { body } = await this.#handle.call(
      'train.begin',
      {
        session: this.#session,
        algorithm: options.algorithm,
        policy: this.#adapter,
        optimizer: {
          betas: [...optimizer.betas],
          eps: optimizer.eps,
          weight_decay: optimizer.weightDecay,
          max_grad_norm: optimizer.maxGradNorm,
        },
        micro_batch_tokens: options.microBatchTokens,
        gradient_checkpointing: options.gradientCheckpointing,
        seed: options.seed,
        deterministic,
      },
      { signal: this.#signal },
    ).result
    this.#begun = true
    this.#trainableParameters = body.trainable_parameters
  }

  async step(input: {
    readonly step: number
    readonly learningRate: number
    readonly batch: TrainBatch
  }): Promise<StepResult> {
    const { batch, blobs } = wireBatch(input.batch)
    const { body } = await this.#handle.call(
      'train.step',
      { session: this.#session, step: input.step, learning_rate: input.learningRate, batch },
      { blobs, signal: this.#signal },
    ).result
    const { step, loss, grad_norm: gradNorm, tokens, truncated, metrics } = body
    return { step, loss, gradNorm, tokens, truncated, metrics }
  }

  async saveCheckpoint(path: string, cursor: unknown): Promise<void> {
    await this.#handle.call('checkpoint.save', { session: this.#session, path, cursor }).result
  }

  async loadCheckpoint(path: string): Promise<{ step: number; cursor: unknown }> {
    const body = { session: this.#session, path }
    const { step, cursor } = (
      await this.#handle.call('checkpoint.load', body, { signal: this.#signal }).result
    ).body
    return { step, cursor }
  }

  async save(path: string): Promise<PolicyRef> {
    if (this.#adapter !== null) {
      const { body } = await this.#handle.call('adapter.save', { name: this.#adapter, path }).result
      return { kind: 'adapter', path, fingerprint: body.fingerprint }
    }
    const { body } = await this.#handle.call('model.save', { path }).result
    // What was just written is what "the base" means from now on, on every worker.
    const { revision: _, ...settings } = this.#shared.base
    this.#shared.base = { ...settings, model: path }
    return { kind: 'base', fingerprint: body.fingerprint }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#begun) await this.#handle.call('train.end', { session: this.#session }).result
      if (this.#adapter === null) this.#worker.forgetBase()
      else await this.#handle.call('adapter.drop', { name: this.#adapter }).result
    } catch (error) {
      const code = ElenchusError.is(error) ? error.code : null
      if (code === null || (!GONE.has(code) && code !== 'adapter_missing')) throw error
    }
  }
}
