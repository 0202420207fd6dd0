import { randomUUID } from 'node:crypto'
import { ElenchusError } from '../../errors.ts'
import { packIds, unpackRows } from '../../bridge/protocol/blobs.ts'
import type {
  Completion,
  GenerateOptions,
  GenerateRequest,
  PolicyRef,
  StepInput,
  StepResult,
  TrainingOptions,
  TrainingScore,
  TrainingSession,
  Trajectory,
} from '../backend.ts'
import { byPrompt, wireBatch } from './batches.ts'
import { chunksOf } from './chunks.ts'
import { type EngineSettings, generate } from './generate.ts'
import { deal, shardBatch } from './shards.ts'
import { type Member, TrainingGroup } from './training-group.ts'
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
  'adapter_missing',
])

/** How all weights are held by the workers that train them; adapters are small and whole everywhere. */
export type Sharding = 'none' | 'fsdp2'

/** Opens a session on all workers: the adapter or the base they train, the optimiser, the numbered steps. */
export async function openTraining(
  workers: readonly WorkerModels[],
  shared: SharedState,
  options: TrainingOptions,
  engine: EngineSettings,
  sharding: Sharding,
): Promise<TrainingSession> {
  const { signal } = options
  const adapter = options.target.kind === 'full' ? null : `training-${randomUUID()}`
  const sharded = adapter === null && workers.length > 1 && sharding === 'fsdp2'
  // Sharding takes the loaded model apart, which must not have adapters around it.
  if (sharded) for (const worker of workers) worker.forgetBase()
  const group = await TrainingGroup.form(workers, shared, signal)
  const session = new TorchTrainingSession(group, shared, adapter, engine, signal)
  try {
    if (adapter !== null) await prepareAdapter(group, adapter, options)
    await session.begin(options, sharded ? 'fsdp2' : 'none')
    return session
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
}

async function prepareAdapter(
  group: TrainingGroup,
  name: string,
  { target, seed, signal }: TrainingOptions,
): Promise<void> {
  if (target.kind === 'new-adapter') {
    const { rank, alpha, dropout, targetModules } = target.lora
    const modules = targetModules === 'all-linear' ? targetModules : [...targetModules]
    const body = { name, rank, alpha, dropout, target_modules: modules, seed }
    await group.all('adapter.create', () => ({ body }), { signal })
  } else if (target.kind === 'adapter') {
    const { policy } = target
    if (policy.kind !== 'adapter') {
      throw new ElenchusError('bad_request', 'Training goes on from an adapter; the base is no adapter.', {
        hint: 'Train a new adapter, or every weight.',
      })
    }
    const body = { name, path: policy.path, trainable: true }
    const loaded = await group.all('adapter.load', () => ({ body }), { signal })
    for (const { body: found } of loaded) {
      checkFingerprint(`The adapter ${policy.path}`, found.fingerprint, policy)
    }
  }
}

class TorchTrainingSession implements TrainingSession {
  /** Workers take requests in their order, and refuse a step whose number is not the next one. */
  readonly queuesSteps = true
  readonly #group: TrainingGroup
  readonly #shared: SharedState
  /** `null`: every weight of the base is trained. */
  readonly #adapter: string | null
  readonly #engine: EngineSettings
  readonly #signal: AbortSignal | undefined
  readonly #session = randomUUID()
  #trainableParameters = 0
  #microBatchTokens = 0
  /** On all ranks; where that failed, some may have begun. */
  #begun = false

  constructor(
    group: TrainingGroup,
    shared: SharedState,
    adapter: string | null,
    engine: EngineSettings,
    signal: AbortSignal | undefined,
  ) {
    this.#group = group
    this.#shared = shared
    this.#adapter = adapter
    this.#engine = engine
    this.#signal = signal
  }

  get trainableParameters(): number {
    return this.#trainableParameters
  }

  async begin(options: TrainingOptions, sharding: Sharding): Promise<void> {
    const { optimizer } = options
    this.#microBatchTokens = options.microBatchTokens
    const body = {
      session: this.#session,
      algorithm: options.algorithm,
      policy: this.#adapter,
      optimizer: {
        betas: [optimizer.betas[0], optimizer.betas[1]] satisfies [number, number],
        eps: optimizer.eps,
        weight_decay: optimizer.weightDecay,
        max_grad_norm: optimizer.maxGradNorm,
      },
      micro_batch_tokens: options.microBatchTokens,
      gradient_checkpointing: options.gradientCheckpointing,
      value_head: options.valueHead ?? false,
      seed: options.seed,
      deterministic: this.#engine.deterministic,
      ...(this.#group.name !== null && { group: this.#group.name, sharding }),
    }
    const begun = await this.#group.all('train.begin', () => ({ body }), { signal: this.#signal })
    this.#refuseDifferentWeights(begun)
    this.#begun = true
    this.#trainableParameters = begun[0]!.body.trainable_parameters
  }

  #refuseDifferentWeights(
    ranks: readonly { readonly body: { readonly weights_fingerprint: string } }[],
  ): void {
    const found = ranks.map(({ body }) => body.weights_fingerprint)
    this.#group.refuseDifferent('The weights', found)
  }

  async step(input: StepInput): Promise<StepResult> {
    const shards = shardBatch(input.batch, this.#group.size).map(wireBatch)
    const settings = { session: this.#session, step: input.step, learning_rate: input.learningRate }
    const answers = await this.#group.all(
      'train.step',
      (rank) => ({ body: { ...settings, batch: shards[rank]!.batch }, blobs: shards[rank]!.blobs }),
      { signal: this.#signal },
    )
    const { step, loss, grad_norm: gradNorm, tokens, truncated, metrics } = answers[0]!.body
    return { step, loss, gradNorm, tokens, truncated, metrics }
  }

  generate(
    requests: readonly GenerateRequest[],
    options: Omit<GenerateOptions, 'policy'>,
  ): AsyncIterable<Completion> {
    // The weights in training live on these starts alone, under the adapter's name or as the base itself.
    const lanes = this.#group.members.map(({ worker, handle }): PolicyLane => ({
      ready: () => worker.readyAs(handle),
      withPolicy: (_policy, _signal, use) => use(handle, this.#adapter),
    }))
    const policy = { kind: 'base', fingerprint: this.#session } as const
    return generate(lanes, requests, { ...options, policy }, this.#engine)
  }

  async score(trajectories: readonly Trajectory[], temperature: number): Promise<readonly TrainingScore[]> {
    const chunks = chunksOf(trajectories)
    const scores: (readonly TrainingScore[])[] = Array.from({ length: chunks.length })
    const hands = deal(chunks, this.#group.size, (chunk) => chunk.length)
    const parts = this.#group.members.map(async ({ handle, rank }) => {
      for (const index of hands[rank] ?? []) {
        scores[index] = await this.#scoreChunk(handle, chunks[index]!, temperature)
      }
    })
    await Promise.allSettled(parts)
    await Promise.all(parts)
    return scores.flat()
  }

  async #scoreChunk(
    handle: WorkerHandle,
    trajectories: readonly Trajectory[],
    temperature: number,
  ): Promise<readonly TrainingScore[]> {
    const { prompts, rows } = byPrompt(trajectories)
    const packed = packIds(trajectories.map(({ ids }) => ids))
    const { blobs } = await handle.call(
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
    await this.#verify()
    await this.#group.all('checkpoint.save', () => ({ body: { session: this.#session, path, cursor } }))
  }

  async loadCheckpoint(path: string): Promise<{ step: number; cursor: unknown }> {
    const body = { session: this.#session, path }
    const [first] = await this.#group.all('checkpoint.load', () => ({ body }), { signal: this.#signal })
    await this.#verify()
    return { step: first!.body.step, cursor: first!.body.cursor }
  }

  /** All ranks have taken the same steps, so they must have the same weights. */
  async #verify(): Promise<void> {
    if (this.#group.size === 1) return
    const body = { session: this.#session }
    this.#refuseDifferentWeights(await this.#group.all('train.verify', () => ({ body })))
  }

  async save(path: string): Promise<PolicyRef> {
    await this.#verify()
    // One writes; the others load it from there when they need it.
    const { handle } = this.#group.members[0]!
    if (this.#adapter !== null) {
      const { body } = await handle.call('adapter.save', { name: this.#adapter, path }).result
      return { kind: 'adapter', path, fingerprint: body.fingerprint }
    }
    const { body } = await handle.call('model.save', { path }).result
    // What was just written is what "the base" means from now on, on every worker.
    const { revision: _, ...settings } = this.#shared.base
    this.#shared.base = { ...settings, model: path }
    return { kind: 'base', fingerprint: body.fingerprint }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#group.members.map((member) => this.#endOn(member)))
  }

  async #endOn({ worker, handle }: Member): Promise<void> {
    if (this.#adapter === null) worker.forgetBase()
    const unlessGone = async (result: Promise<unknown>): Promise<void> => {
      try {
        await result
      } catch (error) {
        const code = ElenchusError.is(error) ? error.code : null
        if (code === null || !(GONE.has(code) || (code === 'bad_request' && !this.#begun))) throw error
      }
    }
    await unlessGone(handle.call('train.end', { session: this.#session }).result)
    if (this.#adapter !== null) await unlessGone(handle.call('adapter.drop', { name: this.#adapter }).result)
  }
}
