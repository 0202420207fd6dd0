import type { GenerateOptions, GenerateRequest } from '../backend.ts'
import { literalOf } from './cut.ts'
import type { ServerKind } from './options.ts'

export type Api = 'completions' | 'chat'

/**
 * Fields that not every server takes. One that is refused by name is left out from then on, with a warning; what
 * its absence costs stands here.
 */
export const OPTIONAL_FIELDS = {
  seed: 'seeds do nothing: samples cannot be repeated',
  stream_options: 'prompts of completions that are stopped early go uncounted',
  logprobs: 'completions have no log-probabilities',
  top_logprobs: 'completions have no log-probabilities',
  return_token_ids: 'completions have no token ids',
  top_k: "the server's own top-k stays in force",
  min_p: "the server's own min-p stays in force",
  repetition_penalty: "the server's own repetition penalty stays in force",
  repeat_penalty: "the server's own repetition penalty stays in force",
  no_stop_trim: 'stops are found on this side',
  generation_config: "the server's own sampling defaults stay in force",
} as const satisfies Record<string, string>
export type OptionalField = keyof typeof OPTIONAL_FIELDS

export function isOptionalField(name: string): name is OptionalField {
  return Object.hasOwn(OPTIONAL_FIELDS, name)
}

export interface Style {
  readonly api: Api
  readonly kind: ServerKind
  /** The name that the server knows the weights by. */
  readonly model: string
  readonly without: ReadonlySet<string>
  /** Tokens of prompt and completion together; absent where the server does not say. */
  readonly contextLength: number | undefined
  readonly extra: Readonly<Record<string, unknown>>
}

/**
 * Servers that say which stop string ended a completion, or leave it in the text. Not vLLM: it cuts the text behind the
 * string and keeps the ids of the whole token, so that the ids would say more than the text.
 */
const TELLS_STOPS = new Set<ServerKind>(['sglang', 'transformers'])
/** OpenAI's own limit. */
const MOST_STOP_STRINGS = 4

/**
 * The stop strings that the server can look for itself, or null where the completion has to be watched as it
 * comes: counted stops, patterns, limits of segments, and servers on which a stop looks like the end of a text.
 */
export function serverStops(options: GenerateOptions, kind: ServerKind): readonly string[] | null {
  if (options.segment !== undefined || options.stops.length > MOST_STOP_STRINGS) return null
  const literals = options.stops.map(({ pattern, count }) => (count === 1 ? literalOf(pattern) : null))
  if (literals.length > 0 && !TELLS_STOPS.has(kind)) return null
  return literals.every((literal) => literal !== null) ? literals : null
}

/** The body of one request. */
export function requestBody(
  { prompt, seed }: Pick<GenerateRequest, 'prompt' | 'seed'>,
  options: GenerateOptions,
  style: Style,
  stops: readonly string[] | null,
): Record<string, unknown> {
  const { api, kind, model, without, contextLength = Infinity, extra } = style
  const body: Record<string, unknown> = {
    model,
    ...(api === 'chat' ? { messages: [{ role: 'user', content: prompt }] } : { prompt }),
    // More than fits with an empty prompt is refused by vLLM; what fits with this prompt it knows itself.
    max_tokens: Math.min(options.maxNewTokens, contextLength),
    temperature: options.temperature,
    top_p: options.topP,
    seed,
    ...(api === 'chat' ? { logprobs: true, top_logprobs: 0 } : { logprobs: kind === 'vllm' ? 0 : 1 }),
    ...neutralSampling(kind, options.temperature),
    ...(kind === 'vllm' && { return_token_ids: true }),
    ...(stops === null
      ? { stream: true, stream_options: streamOptions(kind) }
      : stops.length > 0 && { stop: stops, ...keepStops(kind) }),
  }
  for (const field of without) delete body[field]
  return { ...body, ...extra }
}

/** Servers have defaults of their own beside temperature and top-p: what is sampled would not be what was asked. */
function neutralSampling(kind: ServerKind, temperature: number): Record<string, unknown> {
  switch (kind) {
    case 'vllm':
    case 'sglang':
      return { top_k: -1, min_p: 0, repetition_penalty: 1 }
    case 'llama.cpp':
      return { top_k: 0, min_p: 0, repeat_penalty: 1 }
    case 'transformers':
      // Without it, a model whose own settings are greedy stays greedy at any temperature.
      return { generation_config: JSON.stringify({ do_sample: temperature > 0, top_k: 0 }) }
    case 'ollama':
    case 'other':
      return {}
  }
}

function streamOptions(kind: ServerKind): Record<string, unknown> {
  const everyChunk = kind === 'vllm' || kind === 'sglang'
  return { include_usage: true, ...(everyChunk && { continuous_usage_stats: true }) }
}

function keepStops(kind: ServerKind): Record<string, unknown> {
  return kind === 'sglang' ? { no_stop_trim: true } : {}
}
