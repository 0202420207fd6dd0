import { adapterParameters, embeddings, parameters, type Shape } from './shape.ts'

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
  /** Of a GPU; absent: no limit. */
  readonly memoryBytes?: number | null
}

/** Trained weights: an adapter of a rank, or everything. */
export type Trained = { readonly rank: number } | 'all'

/** What the engines and the kernel are set to; `tests/plan/plan.test.ts` holds them against py-runtime. */
export const RUNTIME = {
  cpuSlots: 256,
  gpuSlots: 512,
  cpuSpan: 32,
  gpuSpan: 128,
  promptWidth: 8,
  promptRoom: 3,
  promptStep: 8,
  cpuCacheBytes: 4 * 2 ** 30,
  gpuCacheShare: 0.6,
  packedBytes: 512 * 2 ** 20,
  prefillTokens: 16_384,
  cpuForwardTokens: 4096,
  cpuSliceElements: 2 ** 24,
  gpuSliceElements: 2 ** 27,
} as const

/** Interpreter and libraries (CPU), or CUDA context and workspaces (GPU): the former measured, the latter not. */
const RUNTIME_BYTES = { cpu: 430 * 2 ** 20, gpu: 1200 * 2 ** 20 }

export interface SamplingLoad {
  readonly sequences: number
  readonly promptTokens: number
  readonly newTokens: number
  readonly samples: number
  readonly adapterRank: number | null
}

/**
 * The peak of sampling: weights, adapters, one cache slot per sequence at once, prompts that their samples share, one
 * reading of prompts, the scores of a decode step.
 */
export function generationMemory(shape: Shape, device: Device, load: SamplingLoad): Memory {
  const { kind, bytes } = device
  const slots = slotsOf(shape, device, load)
  const { own, shared } = slotPositions(kind, load)
  const width = Math.min(RUNTIME.promptWidth, load.samples)
  const rows = shared > 0 ? Math.min(slots, RUNTIME.promptRoom * Math.ceil(slots / width)) : 0
  const prompts = Math.ceil(slots / Math.max(1, load.samples))
  const prefill = Math.min(prompts * load.promptTokens, RUNTIME.prefillTokens)
  const adapter = load.adapterRank === null ? 0 : adapterParameters(shape, load.adapterRank) * 4
  return summed({
    weights: parameters(shape) * bytes + packedBytes(shape, device, load.adapterRank !== null),
    adapters: adapter,
    // What the samples of a prompt share is held as it was read, too.
    cache: (slots * own + rows * shared + prompts * load.promptTokens) * cacheBytesPerToken(shape, bytes),
    // The states that the model's own forward keeps, one block at a time, and the hidden states around it.
    activations:
      prefill * (cacheBytesPerToken(shape, bytes) + (3 * shape.intermediate + 4 * shape.hidden) * bytes),
    // Scores, and their exponentials in blocks, in fp32 whatever the weights are.
    logits: slots * shape.vocabulary * 12,
    runtime: RUNTIME_BYTES[kind],
  })
}

/** Sequences that the engine decodes at once: within its number of slots, and the memory it takes for their caches. */
export function slotsOf(shape: Shape, device: Device, load: SamplingLoad): number {
  const { kind, bytes, memoryBytes } = device
  const wanted = Math.min(load.sequences, kind === 'cpu' ? RUNTIME.cpuSlots : RUNTIME.gpuSlots)
  const width = Math.min(RUNTIME.promptWidth, load.samples)
  const { own, shared } = slotPositions(kind, load)
  const positions = own + Math.min(1, RUNTIME.promptRoom / width) * shared
  const free = (memoryBytes ?? Number.POSITIVE_INFINITY) - parameters(shape) * bytes - RUNTIME_BYTES[kind]
  const most = kind === 'cpu' ? RUNTIME.cpuCacheBytes : free * RUNTIME.gpuCacheShare
  return Math.max(1, Math.min(wanted, Math.floor(most / (positions * cacheBytesPerToken(shape, bytes)))))
}

/** Positions of a slot's own, and of a row of the table of prompts: 0 where no samples share one. */
function slotPositions(
  kind: Device['kind'],
  { samples, newTokens, promptTokens }: SamplingLoad,
): { readonly own: number; readonly shared: number } {
  const share = samples >= 2
  const span = kind === 'cpu' ? RUNTIME.cpuSpan : RUNTIME.gpuSpan
  return {
    own: roundUp(newTokens + (share ? 0 : promptTokens), span),
    shared: share ? roundUp(promptTokens, RUNTIME.promptStep) : 0,
  }
}

/** Layers that the engine copies to have fewer products: in fp32, if they are small. */
function packedBytes(shape: Shape, { bytes }: Device, withAdapter: boolean): number {
  const blocks = (parameters(shape) - embeddings(shape)) * bytes
  if (bytes !== 4 || blocks > RUNTIME.packedBytes) return 0
  if (withAdapter) return blocks
  const { layers, hidden, heads, kvHeads, headDim, intermediate } = shape
  return layers * hidden * ((heads + 2 * kvHeads) * headDim + 2 * intermediate) * bytes
}

export interface TrainingLoad {
  readonly trained: Trained
  /** Tokens of the batch of one rank; a micro-batch holds `microBatchTokens` of them at most. */
  readonly batchTokens: number
  readonly microBatchTokens: number
  readonly checkpointing: boolean
  /** Of tokens whose log-probability counts. */
  readonly targetShare: number
  readonly longest: number
  /** Positions that attention works on per token read: above 1 where completions share a prompt. */
  readonly attended: number
  /** A frozen adapter beside the trained one. */
  readonly reference: boolean
  /** Entropies are measured, as in PPO. */
  readonly entropies: boolean
  /** Ranks over which FSDP2 deals the optimiser where all weights are trained; 1 if absent. */
  readonly shards?: number
}

/**
 * The peak of an optimiser step: weights, the trained ones' gradients and AdamW's two moments, what one micro-batch
 * keeps for the backward pass, one slice of logits.
 */
export function trainingMemory(shape: Shape, device: Device, load: TrainingLoad): Memory {
  const { kind, bytes } = device
  const { trained } = load
  const most =
    kind === 'cpu' ? Math.min(load.microBatchTokens, RUNTIME.cpuForwardTokens) : load.microBatchTokens
  const tokens = Math.max(load.longest, Math.min(most, load.batchTokens))
  const count = trained === 'all' ? parameters(shape) : adapterParameters(shape, trained.rank)
  // What is trained is held in fp32 whatever the base is; half precision is refused.
  const size = 4
  const targets = tokens * load.targetShare
  const perLayer = savedPerToken(shape, device, trained)
  const slice = sliceElements(kind, targets, shape.vocabulary)
  const shards = trained === 'all' ? (load.shards ?? 1) : 1
  // Whole for the passes, and the rank's own part of them (`sharding.py`).
  const wholeAndShard = shards === 1 ? 1 : 1 + 1 / shards
  const kept = load.checkpointing ? shape.layers * shape.hidden * bytes + perLayer : shape.layers * perLayer
  return summed({
    weights: parameters(shape) * (trained === 'all' ? size * wholeAndShard : bytes),
    adapters: trained === 'all' ? 0 : (load.reference ? 2 : 1) * count * 4,
    gradients: count * size * wholeAndShard,
    optimizer: (2 * count * size) / shards,
    activations: tokens * (kept + remadePerToken(shape, bytes, load.attended)),
    // A slice of logits in fp32, in half precision again for the product with the output matrix; hidden states of the
    // targets, their slopes and gradient.
    logits: slice * ((bytes === 4 ? 4 : 6) + (load.entropies ? 4 : 0)) + targets * shape.hidden * 3 * bytes,
    runtime: RUNTIME_BYTES[kind],
  })
}

/** Both in turn in one session, which keeps the optimiser's state while it samples. */
export function reinforcementMemory(
  shape: Shape,
  device: Device,
  sampling: Omit<SamplingLoad, 'adapterRank'>,
  training: Omit<TrainingLoad, 'entropies'>,
): Memory {
  const { trained } = training
  const step = trainingMemory(shape, device, { ...training, entropies: true })
  const adapterRank = trained === 'all' ? null : trained.rank
  const { total: _, ...drawing } = generationMemory(shape, device, { ...sampling, adapterRank })
  const sampled = summed({
    ...drawing,
    weights: Math.max(drawing.weights, step.weights),
    adapters: step.adapters,
    optimizer: step.optimizer,
  })
  return step.total > sampled.total ? step : sampled
}

/** Bytes per token that one block keeps for its backward pass. */
function savedPerToken(shape: Shape, { kind, bytes }: Device, trained: Trained): number {
  const { hidden, heads, kvHeads, headDim, intermediate } = shape
  const [query, keys] = [heads * headDim, kvHeads * headDim]
  // Two norms, each with its input and its output. On a GPU they are one kernel (`norms.py`); elsewhere their input is
  // kept in fp32 and, where their weights are trained, the normalised value too.
  const norms = 2 * hidden * (kind === 'gpu' ? 2 * bytes : 4 + bytes + (trained === 'all' ? bytes : 0))
  // Queries, keys, values and what comes of them, once per token read however many rows it is in.
  const attention = bytes * (2 * query + 2 * keys)
  // Gate and up.
  const mlp = bytes * 2 * intermediate
  const adapters = trained === 'all' ? 0 : 7 * trained.rank * bytes
  return norms + attention + mlp + adapters
}

/** Bytes per token that one block makes again in its backward pass, and the slopes beside it. */
function remadePerToken(shape: Shape, bytes: number, attended: number): number {
  const { heads, kvHeads, headDim, intermediate } = shape
  // In its MLP; in its attention, whose rows are spread out again.
  return bytes * Math.max(3 * intermediate, attended * 4 * (heads + kvHeads) * headDim)
}

/** Logits held at once: whole rows of them. */
function sliceElements(kind: Device['kind'], targets: number, vocabulary: number): number {
  const most = kind === 'cpu' ? RUNTIME.cpuSliceElements : RUNTIME.gpuSliceElements
  return Math.min(targets, Math.max(1, Math.floor(most / vocabulary))) * vocabulary
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
