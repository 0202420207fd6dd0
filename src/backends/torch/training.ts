import { randomUUID } from 'node:crypto'
import { ElenchusError } from '../../errors.ts'
import { packIds, unpackRows } from '../../bridge/protocol/blobs.ts'
import type {
  Completion,
  GenerateOptions,
  GenerateRequest,
  PolicyRef,
  StepResult,
  TrainBatch,
  TrainingOptions,
  TrainingScore,
  TrainingSession,
  Trajectory,
} from '../backend.ts'
import { byPrompt, wireBatch } from './batches.ts'
import { type EngineSettings, generate } from './generate.ts'
import {
  checkFingerprint,
  type PolicyLane,
  type SharedState,
  type WorkerHandle,
  type WorkerModels,
} from './worker-models.ts'

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
  engine: EngineSettings,
): Promise<TrainingSession> {
  const { signal } = options
  const { handle } = await worker.base(signal)
  const adapter = options.target.kind === 'full' ? null : `training-${randomUUID()}`
  const session = new TorchTrainingSession(worker, handle, shared, adapter, engine, signal)
  try {
    if (adapter !== null) await prepareAdapter(handle, adapter, options)
    await session.begin(options)
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
  readonly #engine: EngineSettings
  readonly #signal: AbortSignal | undefined
  readonly #session = randomUUID()
  #trainableParameters = 0
  #microBatchTokens = 0
  #begun = false

  constructor(
    worker: WorkerModels,
    handle: WorkerHandle,
    shared: SharedState,
    adapter: string | null,
    engine: EngineSettings,
    signal: AbortSignal | undefined,
  ) {
    this.#worker = worker
    this.#handle = handle
    this.#shared = shared
    this.#adapter = adapter
    this.#engine = engine
    this.#signal = signal
  }

  get trainableParameters(): number {
    return this.#trainableParameters
  }

  async begin(options: TrainingOptions): Promise<void> {
    const { optimizer } = options
    this.#microBatchTokens = options.microBatchTokens
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
        value_head: options.valueHead ?? false,
        seed: options.seed,
        deterministic: this.#engine.deterministic,
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

  generate(
    requests: readonly GenerateRequest[],
    options: Omit<GenerateOptions, 'policy'>,
  ): AsyncIterable<Completion> {
    // The weights in training live on this worker alone, under the adapter's name or as the base itself.
    const lane: PolicyLane = {
      ready: () => this.#worker.ready(),
      withPolicy: (_policy, _signal, use) => use(this.#handle, this.#adapter),
    }
    const policy = { kind: 'base', fingerprint: this.#session } as const
    return generate([lane], requests, { ...options, policy }, this.#engine)
  }

  async score(trajectories: readonly Trajectory[], temperature: number): Promise<readonly TrainingScore[]> {
    const { prompts, rows } = byPrompt(trajectories)
    const packed = packIds(trajectories.map(({ ids }) => ids))
    const { blobs } = await this.#handle.call(
      'train.score',
      {
        session: this.#session,
        prompts,
        rows,
        temperature,
        micro_batch_tokens: this.#microBatchTokens,
      },
      { blobs: packed, signal: this.#signal },
    ).result
    const logprobs = unpackRows(blobs.logprobs, packed.ids_lengths)
    const entropies = unpackRows(blobs.entropies, packed.ids_lengths)
    const values = blobs.values && unpackRows(blobs.values, packed.ids_lengths)
    return trajectories.map((_, index) => ({
      logprobs: logprobs[index]!,
      entropies: entropies[index]!,
      ...(values && { values: values[index]! }),
    }))
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
