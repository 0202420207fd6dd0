import { adapterParameters, parameters, type Shape } from './shape.ts'

/** What a device holds at the peak of a stage, in bytes. `docs/plan.md` explains each term. */
export interface Memory {
  readonly weights: number
  readonly adapters: number
  readonly gradients: number
  readonly optimizer: number
  readonly cache: number
  readonly activations: number
  readonly logits: number
  readonly runtime: number
  readonly total: number
}

export interface Device {
  readonly kind: 'cpu' | 'gpu'
  /** Of the weights: 2 for bf16, 4 for fp32. */
  readonly bytes: 2 | 4
}

/** Trained weights: an adapter of a rank, or everything. */
export type Trained = { readonly rank: number } | 'all'

/** What the engines and the kernel are set to; `tests/plan/constants.test.ts` holds them against py-runtime. */
export const RUNTIME = {
  cpuSlots: 256,
  gpuSlots: 512,
  spanStep: 64,
  prefillTokens: 16_384,
  cpuForwardTokens: 4096,
  sliceElements: 2 ** 24,
} as const

/** Interpreter and libraries (CPU), or CUDA context and workspaces (GPU): measured. */
const RUNTIME_BYTES = { cpu: 520 * 2 ** 20, gpu: 1200 * 2 ** 20 }

/**
 * The peak of sampling: weights, adapters, one cache slot per sequence at once, one reading of prompts, the
 * log-probabilities of a decode step.
 */
export function generationMemory(
  shape: Shape,
  device: Device,
  load: {
    readonly sequences: number
    readonly promptTokens: number
    readonly newTokens: number
    readonly samples: number
    readonly adapterRank: number | null
  },
): Memory {
  const { kind, bytes } = device
  const slots = Math.min(load.sequences, kind === 'cpu' ? RUNTIME.cpuSlots : RUNTIME.gpuSlots)
  const capacity = roundUp(load.promptTokens + load.newTokens, RUNTIME.spanStep)
  const prompts = Math.ceil(slots / Math.max(1, load.samples))
  const prefill = Math.min(prompts * load.promptTokens, RUNTIME.prefillTokens)
  return summed({
    weights: parameters(shape) * bytes,
    adapters: load.adapterRank === null ? 0 : adapterParameters(shape, load.adapterRank) * 4,
    cache: (slots * capacity + prefill) * cacheBytesPerToken(shape, bytes),
    // One block at a time: its widest intermediate values, and the hidden states around it.
    activations: prefill * (3 * shape.intermediate + 4 * shape.hidden) * bytes,
    // Logits, their log-softmax in fp32 and in fp64 where they are summed up for drawing.
    logits: slots * shape.vocabulary * (bytes + 4 + 4 + 8),
    runtime: RUNTIME_BYTES[kind],
  })
}

/**
 * The peak of an optimiser step: weights, the trained ones' gradients and AdamW's two moments, what one micro-batch
 * keeps for the backward pass, one slice of logits.
 */
export function trainingMemory(
  shape: Shape,
  device: Device,
  load: {
    readonly trained: Trained
    /** Tokens of the batch of one rank; a micro-batch holds `microBatchTokens` of them at most. */
    readonly batchTokens: number
    readonly microBatchTokens: number
    readonly checkpointing: boolean
    /** Of tokens whose log-probability counts. */
    readonly targetShare: number
    readonly longest: number
    /** A frozen adapter beside the trained one. */
    readonly reference: boolean
  },
): Memory {
  const { kind, bytes } = device
  const { trained } = load
  const most =
    kind === 'cpu' ? Math.min(load.microBatchTokens, RUNTIME.cpuForwardTokens) : load.microBatchTokens
  const tokens = Math.max(load.longest, Math.min(most, load.batchTokens))
  const count = trained === 'all' ? parameters(shape) : adapterParameters(shape, trained.rank)
  // An adapter is held in fp32 whatever the base is.
  const size = trained === 'all' ? bytes : 4
  const targets = tokens * load.targetShare
  const perLayer = savedPerToken(shape, bytes, trained)
  return summed({
    weights: parameters(shape) * bytes,
    adapters: trained === 'all' ? 0 : (load.reference ? 2 : 1) * count * 4,
    gradients: count * size,
    optimizer: 2 * count * size,
    // With checkpointing: the input of every block, and one block that is computed again.
    activations:
      tokens *
      (load.checkpointing ? shape.layers * shape.hidden * bytes + perLayer : shape.layers * perLayer),
    // A slice of logits, its softmax and slope, in fp32; hidden states of the targets and their gradient.
    logits: 3 * 4 * sliceElements(targets, shape.vocabulary) + targets * shape.hidden * (bytes + 4),
    runtime: RUNTIME_BYTES[kind],
  })
}

/** Bytes per token that one block keeps for its backward pass. */
function savedPerToken(shape: Shape, bytes: number, trained: Trained): number {
  const { hidden, heads, kvHeads, headDim, intermediate } = shape
  const [query, keys] = [heads * headDim, kvHeads * headDim]
  // Two norms, each with its input and its normalised value in fp32 and its output.
  const norms = 2 * (2 * 4 * hidden + bytes * hidden)
  const attention = bytes * (2 * query + 2 * keys)
  // Gate, its activation, up and their product.
  const mlp = bytes * 4 * intermediate
  const adapters = trained === 'all' ? 0 : 7 * trained.rank * 4
  return norms + attention + mlp + adapters
}

/** Positions times vocabulary held at once; the vocabulary is visited in slices of at least 256. */
function sliceElements(targets: number, vocabulary: number): number {
  const width = Math.min(vocabulary, Math.max(256, Math.floor(RUNTIME.sliceElements / Math.max(1, targets))))
  return targets * width
}

export function cacheBytesPerToken({ layers, kvHeads, headDim }: Shape, bytes: number): number {
  return 2 * layers * kvHeads * headDim * bytes
}

function summed(parts: Partial<Omit<Memory, 'total'>>): Memory {
  const all = {
    weights: 0,
    adapters: 0,
    gradients: 0,
    optimizer: 0,
    cache: 0,
    activations: 0,
    logits: 0,
    runtime: 0,
    ...parts,
  }
  return { ...all, total: Object.values(all).reduce((sum, part) => sum + part, 0) }
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step
}
