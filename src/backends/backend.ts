/**
 * The interface between everything that decides and everything that computes.
 *
 * A backend generates, and perhaps scores and trains. Stages ask for capabilities before they start
 * anything. The interface is versioned; stages refuse a backend of another version by name (`context.ts`).
 */
export const BACKEND_SPECIFICATION = 'v1'

export interface Capabilities {
  readonly generate: boolean
  /** Log-probabilities of given token ids. */
  readonly score: boolean
  readonly train: boolean
  /** Completions carry the token ids that were sampled. */
  readonly tokenIds: boolean
  /** Completions carry the log-probability of each sampled token. */
  readonly logprobs: boolean
  /** Adapters on the base can be named as policies. */
  readonly adapters: boolean
}

/**
 * Which weights answer: the base model as loaded, or an adapter folder (PEFT files) on it.
 * `fingerprint` identifies the weights; it is recorded with every trace and pair.
 */
export type PolicyRef =
  | { readonly kind: 'base'; readonly fingerprint: string }
  | { readonly kind: 'adapter'; readonly path: string; readonly fingerprint: string }

export interface GenerateRequest {
  /** Names the completion; unique within one call. */
  readonly key: string
  readonly prompt: string
  /** Non-negative 32-bit integer. The same seed gives the same text in deterministic mode. */
  readonly seed: number
}

/** Generation stops when `pattern` has been completed `count` times in the completion's text. */
export interface Stop {
  readonly name: string
  /** Regular expression in the common subset of JavaScript and Python. */
  readonly pattern: string
  readonly count: number
}

export interface GenerateOptions {
  readonly policy: PolicyRef
  /** 0 is greedy. */
  readonly temperature: number
  /** In (0, 1]. */
  readonly topP: number
  readonly maxNewTokens: number
  readonly stops: readonly Stop[]
  /** Token limit between two matches of `boundary`; exceeded: finish reason `segment_length`. */
  readonly segment?: { readonly boundary: string; readonly maxTokens: number }
  readonly signal?: AbortSignal
}

export type FinishReason = 'stop' | 'eos' | 'length' | 'segment_length' | 'prompt_too_long'

export interface Completion {
  readonly key: string
  readonly text: string
  /** Sampled token ids up to the one that completed the stop; absent where the backend has none. */
  readonly ids?: Int32Array
  /** Log-probability of each id under the sampling distribution, fp32. */
  readonly logprobs?: Float32Array
  readonly numTokens: number
  /** Absent where the backend does not know it. */
  readonly promptTokens?: number
  readonly finishReason: FinishReason
  /** Name of the stop that ended it, when `finishReason` is `stop`. */
  readonly stopName?: string
}

/** A completion to be scored or trained on, exactly as it was sampled. */
export interface Trajectory {
  readonly prompt: string
  readonly ids: Int32Array
}

export interface ScoreOptions {
  readonly policy: PolicyRef
  /** Of the distribution that is asked about. @default 1 */
  readonly temperature?: number
  readonly signal?: AbortSignal
}

/** Log-probabilities of one trajectory's completion tokens; `sum` is accumulated in fp64. */
export interface Score {
  readonly sum: number
  readonly logprobs: Float32Array
}

export interface LoraOptions {
  readonly rank: number
  readonly alpha: number
  readonly dropout: number
  readonly targetModules: 'all-linear' | readonly string[]
}

/** What is trained: a new adapter, an existing one further, or every weight of the base. */
export type TrainTarget =
  | { readonly kind: 'new-adapter'; readonly lora: LoraOptions }
  | { readonly kind: 'adapter'; readonly policy: PolicyRef }
  | { readonly kind: 'full' }

export interface TrainingOptions {
  readonly algorithm: 'sft' | 'dpo' | 'ppo'
  readonly target: TrainTarget
  readonly optimizer: {
    readonly betas: readonly [number, number]
    readonly eps: number
    readonly weightDecay: number
    readonly maxGradNorm: number
  }
  /** Tokens per forward pass; the global batch does not depend on it. */
  readonly microBatchTokens: number
  readonly gradientCheckpointing: boolean
  /** `ppo` only: a critic is trained beside the policy, and saved with it. */
  readonly valueHead?: boolean
  readonly seed: number
  readonly signal?: AbortSignal
}

export interface SftExample {
  readonly prompt: string
  readonly completion: string
}

export interface DpoLoss {
  readonly kind: 'sigmoid' | 'ipo' | 'hinge' | 'robust'
  readonly beta: number
  readonly labelSmoothing: number
  /** Weight of the negative log-likelihood of the chosen side, per pair, length-normalised. */
  readonly nllCoef: number
  /** Divide sequence log-probabilities by their length before the loss. */
  readonly lengthNormalised: boolean
}

export type TrainBatch =
  | { readonly kind: 'sft'; readonly examples: readonly SftExample[]; readonly maxLength: number }
  | {
      readonly kind: 'tokens'
      /** Rows of ids with a mask of the positions that are targets (the copy drill). */
      readonly rows: readonly { readonly ids: Int32Array; readonly targets: Uint8Array }[]
    }
  | {
      readonly kind: 'dpo'
      /** Distinct trajectories; each is evaluated once however many pairs it is in. */
      readonly trajectories: readonly Trajectory[]
      /** Indices into `trajectories`. */
      readonly pairs: readonly { readonly chosen: number; readonly rejected: number }[]
      /** Reference log-probability (sum) per trajectory. */
      readonly referenceSums: Float64Array
      readonly loss: DpoLoss
      readonly maxLength: number
    }
  | {
      readonly kind: 'ppo'
      readonly samples: readonly PpoSample[]
      readonly loss: PpoLoss
      readonly maxLength: number
    }

/** A sampled completion with what a policy-gradient step needs to know; arrays have one number per id. */
export interface PpoSample {
  readonly trajectory: Trajectory
  /** Under the policy that sampled it, rescored by the kernel that trains. */
  readonly oldLogprobs: Float32Array
  readonly advantages: Float32Array
  /** With a value head: what the critic is to learn, and what it said. */
  readonly critic?: { readonly returns: Float32Array; readonly oldValues: Float32Array }
  /** Under the frozen start, where `klCoef` of the loss is above 0. */
  readonly referenceLogprobs?: Float32Array
}

export interface PpoLoss {
  /** Of the distribution that was sampled; above 0. */
  readonly temperature: number
  /** The ratio is clipped to [1 - clipLow, 1 + clipHigh]. */
  readonly clipLow: number
  readonly clipHigh: number
  /** Values are held this near to the old ones; absent: not clipped. */
  readonly valueClip?: number
  readonly valueCoef: number
  readonly valueLearningRate: number
  readonly entropyCoef: number
  /** Weight of the KL divergence from the reference in the loss. */
  readonly klCoef: number
  /** Only the critic is trained. */
  readonly valueOnly: boolean
  /** A batch whose mean per-token KL from the old policy exceeds this is measured and not applied. */
  readonly maxKl?: number
}

/** What the weights in training say of a trajectory's completion, per id. */
export interface TrainingScore {
  readonly logprobs: Float32Array
  readonly entropies: Float32Array
  /** With a value head: the value of the state before each token. */
  readonly values?: Float32Array
}

export interface StepResult {
  readonly step: number
  readonly loss: number
  readonly gradNorm: number
  readonly tokens: number
  readonly truncated: number
  /**
   * Of DPO `reference_gap` (largest |log-probability - reference| of a sequence, nats) and `reference_gap_per_token` (mean
   * over pairs and their sides of that per token): the first step fails without them.
   */
  readonly metrics: Readonly<Record<string, number>>
}

export interface StepInput {
  /** 1, 2, ... without gaps. */
  readonly step: number
  readonly learningRate: number
  readonly batch: TrainBatch
}

/** An open training session: the stage decides batch, learning rate and when to save; the backend steps. */
export interface TrainingSession extends AsyncDisposable {
  readonly trainableParameters: number
  /**
   * A step may be asked for while the one before it is under way: it is taken after that one, and refused, with the
   * weights as they were, if that one fails. Absent: one at a time.
   */
  readonly queuesSteps?: boolean
  step(input: StepInput): Promise<StepResult>
  /** Samples from the weights as they are now. */
  generate(
    requests: readonly GenerateRequest[],
    options: Omit<GenerateOptions, 'policy'>,
  ): AsyncIterable<Completion>
  /** By the kernel that trains, at the given temperature. */
  score(trajectories: readonly Trajectory[], temperature: number): Promise<readonly TrainingScore[]>
  /** Writes weights, optimiser, RNG and `cursor` atomically. */
  saveCheckpoint(path: string, cursor: unknown): Promise<void>
  loadCheckpoint(path: string): Promise<{ step: number; cursor: unknown }>
  /** Writes the trained weights: a PEFT folder for adapters, a Hugging Face folder for full weights. */
  save(path: string): Promise<PolicyRef>
}

export interface BackendInfo {
  readonly model: string
  readonly fingerprint: string
  readonly device: string
  /** The product, as its driver calls it: "NVIDIA H100 80GB HBM3". */
  readonly deviceName?: string
  /** Of the weights: `float32`, `bfloat16`. */
  readonly dtype?: string
  readonly versions: Readonly<Record<string, string>>
  readonly numParameters?: number
}

/** Of one kind of work, all devices together. */
export interface WorkUsage {
  readonly tokens: number
  /** That the model itself needs for them: `docs/throughput.md`. */
  readonly flop: number
  /** In which any device worked on it; several at once count once. */
  readonly seconds: number
}

/** Since a backend was made: where its time went and what it did, for the times and rates of a stage. */
export interface BackendUsage {
  /** Starting workers, their imports included. */
  readonly startSeconds: number
  /** At least one request was under way. */
  readonly requestSeconds: number
  /** At least one worker was serving a request that has ended. */
  readonly workerSeconds: number
  /** What workers spent on requests that have ended; the mean over them. */
  readonly meanWorkerSeconds: number
  /** Tokens sampled, read in training, and scored, by requests that have ended. Absent where that is not counted. */
  readonly work?: Readonly<Record<'generated' | 'trained' | 'scored', WorkUsage>> & {
    /** In which any device worked on any of it. */
    readonly seconds: number
  }
  /** What does the work. Absent until a model has been loaded. */
  readonly device?: { readonly name: string; readonly dtype: string; readonly count: number }
}

export interface ModelBackend extends AsyncDisposable {
  readonly specification: typeof BACKEND_SPECIFICATION
  readonly name: string
  readonly capabilities: Capabilities
  /** Facts for the manifest; loads the model if it has not been loaded yet. */
  info(): Promise<BackendInfo>
  /** Streams completions as they finish, in any order; each key exactly once. */
  generate(requests: readonly GenerateRequest[], options: GenerateOptions): AsyncIterable<Completion>
  score?(trajectories: readonly Trajectory[], options: ScoreOptions): Promise<readonly Score[]>
  openTraining?(options: TrainingOptions): Promise<TrainingSession>
  /** How its time has been spent so far. Starts nothing and waits for nobody. */
  usage?(): BackendUsage
}
