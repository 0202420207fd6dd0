import * as z from 'zod'

/** The numbers of a Llama-style model that memory and time follow from. */
export interface Shape {
  readonly layers: number
  readonly hidden: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly intermediate: number
  readonly vocabulary: number
  readonly tied: boolean
}

const configSchema = z.looseObject({
  num_hidden_layers: z.number(),
  hidden_size: z.number(),
  num_attention_heads: z.number(),
  num_key_value_heads: z.number().optional(),
  head_dim: z.number().nullish(),
  intermediate_size: z.number(),
  vocab_size: z.number(),
  tie_word_embeddings: z.boolean().optional(),
})

/** From a model folder's `config.json`; null if it describes no model of this kind. */
export function shapeOfConfig(config: unknown): Shape | null {
  const result = configSchema.safeParse(config)
  if (!result.success) return null
  const { data } = result
  return {
    layers: data.num_hidden_layers,
    hidden: data.hidden_size,
    heads: data.num_attention_heads,
    kvHeads: data.num_key_value_heads ?? data.num_attention_heads,
    headDim: data.head_dim ?? data.hidden_size / data.num_attention_heads,
    intermediate: data.intermediate_size,
    vocabulary: data.vocab_size,
    tied: data.tie_word_embeddings ?? false,
  }
}

const MISTRAL_7B = {
  layers: 32,
  hidden: 4096,
  heads: 32,
  kvHeads: 8,
  headDim: 128,
  intermediate: 14_336,
  tied: false,
}

/** Models that the shipped configurations name, so that a plan needs no download. */
export const KNOWN_SHAPES: Readonly<Record<string, Shape>> = {
  'GAIR/Abel-7B-002': { ...MISTRAL_7B, vocabulary: 32_032 },
  'mistralai/Mistral-7B-v0.1': { ...MISTRAL_7B, vocabulary: 32_000 },
  'Qwen/Qwen3-8B': {
    layers: 36,
    hidden: 4096,
    heads: 32,
    kvHeads: 8,
    headDim: 128,
    intermediate: 12_288,
    vocabulary: 151_936,
    tied: false,
  },
}

/** Inputs and outputs of the linear layers of one block, the head left out. */
function linears({
  hidden,
  heads,
  kvHeads,
  headDim,
  intermediate,
}: Shape): readonly (readonly [number, number])[] {
  const [query, keys] = [heads * headDim, kvHeads * headDim]
  return [
    [hidden, query],
    [hidden, keys],
    [hidden, keys],
    [query, hidden],
    [hidden, intermediate],
    [hidden, intermediate],
    [intermediate, hidden],
  ]
}

export function parameters(shape: Shape): number {
  const block = linears(shape).reduce((sum, [from, to]) => sum + from * to, 2 * shape.hidden)
  return shape.layers * block + shape.hidden + embeddings(shape)
}

export function embeddings({ vocabulary, hidden, tied }: Shape): number {
  return (tied ? 1 : 2) * vocabulary * hidden
}

/** Parameters of an adapter of this rank on every linear layer but the head. */
export function adapterParameters(shape: Shape, rank: number): number {
  return shape.layers * linears(shape).reduce((sum, [from, to]) => sum + rank * (from + to), 0)
}
