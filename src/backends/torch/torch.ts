import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { WorkerGroup, type WorkerGroupOptions } from '../../bridge/group.ts'
import type { OpMap } from '../../bridge/protocol/ops.ts'
import { ElenchusError } from '../../errors.ts'
import { fingerprintFile } from '../../runs/fingerprint.ts'
import {
  BACKEND_SPECIFICATION,
  type BackendInfo,
  type BackendUsage,
  type Completion,
  type GenerateOptions,
  type GenerateRequest,
  type ModelBackend,
  type PolicyRef,
  type Score,
  type ScoreOptions,
  type TrainingOptions,
  type TrainingSession,
  type Trajectory,
} from '../backend.ts'
import { addUsage, NO_USAGE } from '../usage.ts'
import { generate } from './generate.ts'
import type { TorchBackendOptions } from './options.ts'
import { persevere } from './persevere.ts'
import { score } from './score.ts'
import { openTraining } from './training.ts'
import { WorkerModels, type SharedState } from './worker-models.ts'

export interface TinyModelOptions {
  /** Folder to be written. */
  readonly path: string
  /** A file with one JSON string per line: the texts whose phrases become tokens. */
  readonly textsPath: string
  readonly phrasePatterns: readonly string[]
  readonly architecture: OpMap['model.create']['request']['architecture']
  readonly seed: number
}

/** Facts of one worker for people and programs; sizes in bytes. */
export type WorkerStats = OpMap['stats']['result'] & { readonly rank: number }

/** Our own workers: every capability, and what only they can do. */
export interface TorchBackend extends ModelBackend {
  score(trajectories: readonly Trajectory[], options: ScoreOptions): Promise<readonly Score[]>
  openTraining(options: TrainingOptions): Promise<TrainingSession>
  /** Trains a tokenizer and writes a freshly initialised small Llama. The base stays what it was. */
  createTinyModel(
    options: TinyModelOptions,
  ): Promise<{ readonly vocabSize: number; readonly firstPhraseId: number }>
  /** Makes another folder or hub name the base; the workers stay, and load it when it is needed. */
  switchModel(model: string): Promise<void>
  /** Writes base and adapter as one Hugging Face folder; the loaded weights are not touched. */
  saveMerged(policy: PolicyRef, path: string): Promise<PolicyRef>
  /** The policy in an adapter folder or hub repository, with the fingerprint of its weights. */
  adapterPolicy(path: string): Promise<PolicyRef>
  stats(): Promise<readonly WorkerStats[]>
  /** Ends the workers, and with them whatever they hold on their devices; the next request starts new ones. */
  release(): Promise<void>
  usage(): BackendUsage
}

const SPECIAL_TOKENS = { eos: '<eos>', pad: '<pad>' } as const
/** The byte alphabet stands first in a vocabulary made on the spot, then the special tokens. */
const BYTES = 256
const RESTARTS = 3

/** The backend over our own workers. They start when something needs them and stay until disposal. */
export function createTorchBackend(options: TorchBackendOptions): TorchBackend {
  return new Torch(options)
}

class Torch implements TorchBackend {
  readonly specification = BACKEND_SPECIFICATION
  readonly name = 'torch'
  readonly capabilities = {
    generate: true,
    score: true,
    train: true,
    tokenIds: true,
    logprobs: true,
    adapters: true,
  } as const
  readonly #options: TorchBackendOptions
  readonly #shared: SharedState
  readonly #workers: readonly [WorkerModels, ...WorkerModels[]]
  #group: Promise<WorkerGroup> | null = null
  #running: WorkerGroup | null = null
  #startSeconds = 0
  /** Of the workers that were released. */
  #past = NO_USAGE
  #disposed = false

  constructor(options: TorchBackendOptions) {
    this.#options = options
    this.#shared = {
      group: () => this.#started(),
      base: {
        model: options.model,
        revision: options.revision,
        dtype: options.dtype,
        trust_remote_code: options.trustRemoteCode,
        deterministic: options.deterministic,
        threads: options.threads,
      },
    }
    const size = options.ranks ?? options.launcher.defaultRanks
    const others = Array.from({ length: size - 1 }, (_, index) => new WorkerModels(this.#shared, index + 1))
    this.#workers = [new WorkerModels(this.#shared, 0), ...others]
  }

  #started(): Promise<WorkerGroup> {
    if (this.#disposed) {
      return Promise.reject(new ElenchusError('cancelled', 'The torch backend was closed.'))
    }
    this.#group ??= this.#start().catch((error: unknown) => {
      // Whoever asks next tries again: the environment may have been mended.
      this.#group = null
      throw error
    })
    return this.#group
  }

  async #start(): Promise<WorkerGroup> {
    const { launcher, listen, logDirectory, restarts, limits, onWarning, onWorkers } = this.#options
    const most = restarts ?? RESTARTS
    const began = performance.now()
    const group = await startPersistently(most, {
      launcher,
      listen,
      logDirectory,
      ranks: this.#workers.length,
      restarts: most,
      limits: limits ?? {},
      onWorkers,
    })
    this.#running = group
    this.#startSeconds += (performance.now() - began) / 1000
    const warnings = new Set(group.hellos.flatMap((hello) => hello.warnings))
    for (const warning of warnings) onWarning?.(warning)
    return group
  }

  async info(): Promise<BackendInfo> {
    const { facts } = await this.#workers[0].base()
    const [hello] = (await this.#started()).hellos
    return {
      model: this.#shared.base.model,
      fingerprint: facts.fingerprint,
      device: facts.device,
      deviceName: facts.device_name,
      dtype: facts.dtype,
      versions: hello?.versions ?? {},
      numParameters: facts.num_parameters,
    }
  }

  generate(requests: readonly GenerateRequest[], options: GenerateOptions): AsyncIterable<Completion> {
    const { engine, deterministic } = this.#options
    return generate(this.#workers, requests, options, { engine, deterministic })
  }

  score(trajectories: readonly Trajectory[], options: ScoreOptions): Promise<readonly Score[]> {
    return score(this.#workers, trajectories, options)
  }

  openTraining(options: TrainingOptions): Promise<TrainingSession> {
    const { engine, deterministic } = this.#options
    const sharding = this.#options.sharding ?? 'none'
    return openTraining(this.#workers, this.#shared, options, { engine, deterministic }, sharding)
  }

  async createTinyModel(
    options: TinyModelOptions,
  ): Promise<{ readonly vocabSize: number; readonly firstPhraseId: number }> {
    const tokenizer = join(options.path, '.tokenizer')
    const group = await this.#started()
    const trained = await persevere(async () => {
      const made = await group.call('tokenizer.train', {
        path: tokenizer,
        texts_path: options.textsPath,
        phrase_patterns: [...options.phrasePatterns],
        special_tokens: SPECIAL_TOKENS,
      }).result
      await group.call('model.create', {
        path: options.path,
        tokenizer_path: tokenizer,
        architecture: options.architecture,
        seed: options.seed,
      }).result
      return made
    })
    await rm(tokenizer, { recursive: true, force: true })
    return {
      vocabSize: trained.body.vocab_size,
      firstPhraseId: BYTES + Object.keys(SPECIAL_TOKENS).length,
    }
  }

  async switchModel(model: string): Promise<void> {
    const { revision: _, ...settings } = this.#shared.base
    this.#shared.base = { ...settings, model }
    await this.#workers[0].base()
  }

  saveMerged(policy: PolicyRef, path: string): Promise<PolicyRef> {
    const [worker] = this.#workers
    return persevere(() =>
      worker.withPolicy(policy, undefined, async (handle, name) => {
        if (name === null) {
          throw new ElenchusError('bad_request', 'Only an adapter can be merged; the base is whole already.')
        }
        const { body } = await handle.call('model.merge', { policy: name, path }).result
        return { kind: 'base', fingerprint: body.fingerprint }
      }),
    )
  }

  async adapterPolicy(path: string): Promise<PolicyRef> {
    const weights = join(path, 'adapter_model.safetensors')
    // The same fingerprint as the worker's, without starting one.
    const fingerprint = existsSync(weights)
      ? await fingerprintFile(weights)
      : await this.#workers[0].adapterFingerprint(path)
    return { kind: 'adapter', path, fingerprint }
  }

  async release(): Promise<void> {
    const group = await this.#group?.catch(() => null)
    if (group === undefined || group === null) return
    this.#past = this.usage()
    this.#group = null
    this.#running = null
    this.#startSeconds = 0
    await group[Symbol.asyncDispose]()
  }

  usage(): BackendUsage {
    const startSeconds = this.#startSeconds
    if (this.#running === null) return addUsage(this.#past, { ...NO_USAGE, startSeconds })
    const { importSeconds, requestSeconds, done: work, ...workers } = this.#running.usage
    const { facts } = this.#shared
    return addUsage(this.#past, {
      startSeconds: startSeconds + importSeconds,
      // While a worker imports, its first request waits.
      requestSeconds: Math.max(0, requestSeconds - importSeconds),
      ...workers,
      work,
      ...(facts !== undefined && {
        device: { name: facts.device_name, dtype: facts.dtype, count: this.#workers.length },
      }),
    })
  }

  async stats(): Promise<readonly WorkerStats[]> {
    return Promise.all(
      this.#workers.map(async (worker) => {
        const { body } = await (await worker.handle()).call('stats', {}).result
        return { rank: worker.rank, ...body }
      }),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    const group = await this.#group?.catch(() => null)
    await group?.[Symbol.asyncDispose]()
  }
}

/** Starts the group again if a worker was killed before it could greet; what fails by itself will fail again. */
async function startPersistently(most: number, options: WorkerGroupOptions): Promise<WorkerGroup> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await WorkerGroup.start(options)
    } catch (error) {
      const killed = ElenchusError.is(error) && error.details['signal'] === 'SIGKILL'
      if (!killed || attempt >= most) throw error
    }
  }
}
