import PQueue from 'p-queue'
import { ElenchusError } from '../errors.ts'
import { fingerprintWeights } from '../runs/fingerprint.ts'
import {
  BACKEND_SPECIFICATION,
  type BackendInfo,
  type BackendUsage,
  type Completion,
  type GenerateOptions,
  type GenerateRequest,
  type ModelBackend,
  type Score,
  type ScoreOptions,
  type TrainingOptions,
  type TrainingSession,
  type Trajectory,
} from './backend.ts'
import type { TinyModelOptions, TorchBackend } from './torch/torch.ts'
import { addUsage, NO_USAGE } from './usage.ts'

export interface AlternatingOptions {
  /** Scores, trains, makes models, and is the one who knows what the base is. */
  readonly trainer: TorchBackend
  /** Starts what samples from the given base. */
  readonly openSampler: (base: BackendInfo, signal: AbortSignal | undefined) => Promise<ModelBackend>
  readonly model: string
  /** Whether one side has to be gone before the other comes. */
  readonly sharesDevices: boolean
}

type Side = 'sampler' | 'trainer'

const OTHER = { sampler: 'trainer', trainer: 'sampler' } as const

/**
 * One backend of two: whatever only samples is done by one, everything else by the other. Either comes when it is first
 * needed. On devices that they share they take turns: the one ends with all that it holds before the other starts.
 */
export class AlternatingBackend implements ModelBackend {
  readonly specification = BACKEND_SPECIFICATION
  readonly name = 'vllm and torch'
  readonly capabilities: TorchBackend['capabilities']
  readonly #trainer: TorchBackend
  readonly #openSampler: AlternatingOptions['openSampler']
  readonly #shares: boolean
  readonly #changing = new PQueue({ concurrency: 1 })
  readonly #users = { sampler: 0, trainer: 0 }
  readonly #known = new Map<string, BackendInfo>()
  #model: string
  /** Whether the trainer has yet to be told of the model. */
  #switched = false
  #sampler: { readonly model: string; readonly backend: ModelBackend } | null = null
  /** Of the samplers that have ended. */
  #past = NO_USAGE

  constructor({ trainer, openSampler, model, sharesDevices }: AlternatingOptions) {
    this.#trainer = trainer
    this.capabilities = trainer.capabilities
    this.#openSampler = openSampler
    this.#model = model
    this.#shares = sharesDevices
  }

  info(): Promise<BackendInfo> {
    const known = this.#known.get(this.#model)
    return known === undefined ? this.#train(() => this.#askTrainer()) : Promise.resolve(known)
  }

  async *generate(
    requests: readonly GenerateRequest[],
    options: GenerateOptions,
  ): AsyncGenerator<Completion, void, undefined> {
    const sampler = await this.#enter('sampler', () => this.#startSampler(options.signal))
    try {
      yield* sampler.generate(requests, options)
    } finally {
      this.#users.sampler -= 1
    }
  }

  score(trajectories: readonly Trajectory[], options: ScoreOptions): Promise<readonly Score[]> {
    return this.#train(() => this.#trainer.score(trajectories, options))
  }

  /** It is the trainer's turn until the session is closed. */
  async openTraining(options: TrainingOptions): Promise<TrainingSession> {
    await this.#enter('trainer', () => this.#prepareTrainer())
    let leave = (): void => {
      this.#users.trainer -= 1
      leave = () => undefined
    }
    try {
      const session = await this.#trainer.openTraining(options)
      const close = session[Symbol.asyncDispose].bind(session)
      return Object.assign(session, {
        [Symbol.asyncDispose]: async () => {
          try {
            await close()
          } finally {
            leave()
          }
        },
      })
    } catch (error) {
      leave()
      throw error
    }
  }

  createTinyModel(options: TinyModelOptions): ReturnType<TorchBackend['createTinyModel']> {
    return this.#train(() => this.#trainer.createTinyModel(options))
  }

  /** Nothing is loaded before somebody needs it, and then by that side only. */
  switchModel(model: string): Promise<void> {
    this.#model = model
    this.#switched = true
    return Promise.resolve()
  }

  usage(): BackendUsage {
    const sampling = this.#sampler?.backend.usage?.() ?? NO_USAGE
    return addUsage(addUsage(this.#past, sampling), this.#trainer.usage())
  }

  async #train<Result>(work: () => Promise<Result>): Promise<Result> {
    await this.#enter('trainer', () => this.#prepareTrainer())
    try {
      return await work()
    } finally {
      this.#users.trainer -= 1
    }
  }

  /** Changes sides, one change after the other; whoever enters has to leave. */
  #enter<Result>(side: Side, prepare: () => Promise<Result>): Promise<Result> {
    return this.#changing.add(async () => {
      if (this.#shares && this.#users[OTHER[side]] > 0) {
        throw new ElenchusError(
          'bad_request',
          side === 'sampler'
            ? 'Sampling was asked for while something trains or scores on the same devices.'
            : 'Training or scoring was asked for while something samples on the same devices.',
          { hint: 'Finish the one before the other, or give vLLM devices of its own (backend.vllm.gpus).' },
        )
      }
      const prepared = await prepare()
      this.#users[side] += 1
      return prepared
    })
  }

  async #prepareTrainer(): Promise<void> {
    if (this.#shares) await this.#endSampler()
    if (!this.#switched) return
    await this.#trainer.switchModel(this.#model)
    this.#switched = false
  }

  async #startSampler(signal: AbortSignal | undefined): Promise<ModelBackend> {
    if (this.#sampler?.model === this.#model) return this.#sampler.backend
    const model = this.#model
    await this.#endSampler()
    const base = await this.#describe(model)
    if (this.#shares) await this.#trainer.release()
    const backend = await this.#openSampler(base, signal)
    this.#sampler = { model, backend }
    return backend
  }

  async #endSampler(): Promise<void> {
    const ending = this.#sampler?.backend
    if (ending === undefined) return
    this.#sampler = null
    this.#past = addUsage(this.#past, ending.usage?.() ?? NO_USAGE)
    await ending[Symbol.asyncDispose]()
  }

  /** Of a folder the weights alone have to be looked at: everything else is as it was of the models before. */
  async #describe(model: string): Promise<BackendInfo> {
    const [known, similar] = [this.#known.get(model), [...this.#known.values()].at(-1)]
    if (known !== undefined) return known
    const fingerprint = similar === undefined ? null : await fingerprintWeights(model)
    if (similar !== undefined && fingerprint !== null) return { ...similar, model, fingerprint }
    await this.#prepareTrainer()
    return this.#askTrainer()
  }

  async #askTrainer(): Promise<BackendInfo> {
    const info = await this.#trainer.info()
    this.#known.set(info.model, info)
    return info
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#changing.onIdle()
    await this.#endSampler()
    await this.#trainer[Symbol.asyncDispose]()
  }
}
