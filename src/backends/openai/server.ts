import * as z from 'zod'
import { ElenchusError } from '../../errors.ts'
import { type Piece, readChunk } from './pieces.ts'
import type { HttpClient } from './http.ts'
import type { ServerKind } from './options.ts'
import { readEvents } from './sse.ts'
import { type Api, isOptionalField, OPTIONAL_FIELDS, requestBody, type Style } from './request.ts'

/** What a server has shown of itself. */
export interface ServerFacts {
  readonly kind: ServerKind
  /** Optional fields that it refuses. */
  readonly without: ReadonlySet<string>
  /** Tokens of prompt and completion together, where it says so. */
  readonly contextLength: number | undefined
  readonly tokenIds: boolean
  readonly logprobs: boolean
}

const modelsSchema = z.looseObject({
  data: z.array(
    z.looseObject({
      id: z.string(),
      owned_by: z.string().nullish(),
      max_model_len: z.number().int().positive().nullish(),
    }),
  ),
})

const OWNERS: Readonly<Record<string, ServerKind>> = {
  vllm: 'vllm',
  sglang: 'sglang',
  llamacpp: 'llama.cpp',
  library: 'ollama',
}
const PROMPT = '1 + 1 ='
/** A server that is not there is not waited for. */
const FEW_RETRIES = 1

/**
 * Finds out what the server is, which fields it takes and what it gives back, with one request of one token: so
 * a wrong address, key or model is told before anything starts.
 *
 * @throws ElenchusError `http_refused` or `http_failed`.
 */
export async function inspectServer(
  http: HttpClient,
  options: {
    readonly api: Api
    readonly model: string
    readonly kind: ServerKind | undefined
    readonly extra: Readonly<Record<string, unknown>>
    readonly signal: AbortSignal | undefined
    readonly warn: (message: string) => void
  },
): Promise<ServerFacts> {
  const { api, model, extra, signal, warn } = options
  const models = await listModels(http, signal)
  const kind = options.kind ?? (await guessKind(http, models, signal))
  const contextLength = models?.lengths.get(model)
  const without = new Set<string>()
  for (;;) {
    const style: Style = { api, kind, model, without, contextLength, extra }
    try {
      const body = requestBody({ prompt: PROMPT, seed: 0 }, ONE_TOKEN, style, null)
      const pieces = await http.send(pathOf(api), { body, retries: FEW_RETRIES, signal }, async (reply) => {
        const found: Piece[] = []
        for await (const document of readEvents(reply)) found.push(...readChunk(document, api).pieces)
        return found
      })
      const tokenIds = pieces.length > 0 && pieces.every(({ id }) => id !== undefined)
      if (!tokenIds) {
        warn(
          `${http.baseUrl} gives no token ids: records have none, and pairs made of them say "retokenised".`,
        )
      }
      return {
        kind,
        without,
        contextLength,
        tokenIds,
        logprobs: pieces.length > 0 && pieces.every(({ logprob }) => logprob !== undefined),
      }
    } catch (error) {
      if (!ElenchusError.is(error) || error.code !== 'http_refused') throw error
      const refused = refusedFields(error, without)
      if (refused.length === 0) throw withModels(error, model, models)
      for (const field of refused) {
        without.add(field)
        if (isOptionalField(field)) {
          warn(`${http.baseUrl} does not take "${field}": ${OPTIONAL_FIELDS[field]}.`)
        }
      }
    }
  }
}

export function pathOf(api: Api): string {
  return api === 'chat' ? '/chat/completions' : '/completions'
}

const ONE_TOKEN = {
  policy: { kind: 'base', fingerprint: '' },
  temperature: 1,
  topP: 1,
  maxNewTokens: 1,
  stops: [],
} as const

interface Models {
  readonly ids: readonly string[]
  readonly owners: readonly string[]
  /** Of the context, by id. */
  readonly lengths: ReadonlyMap<string, number>
}

/** Not every server has the list, or a list that is right: it decides nothing, but helps to explain. */
async function listModels(http: HttpClient, signal: AbortSignal | undefined): Promise<Models | null> {
  try {
    const document = await http.json('/models', { method: 'GET', retries: 0, signal })
    const { data } = modelsSchema.parse(document)
    return {
      ids: data.map(({ id }) => id),
      owners: data.map((each) => each.owned_by ?? ''),
      lengths: new Map(
        data.flatMap(({ id, max_model_len: length }) => (length == null ? [] : [[id, length] as const])),
      ),
    }
  } catch (error) {
    // A server that is not there, or does not let us in, will not be otherwise at the next question.
    if (ElenchusError.is(error) && error.code === 'cancelled') throw error
    const status = ElenchusError.is(error) ? error.details['status'] : 0
    if (ElenchusError.is(error) && (status === undefined || status === 401 || status === 403)) throw error
    return null
  }
}

async function guessKind(
  http: HttpClient,
  models: Models | null,
  signal: AbortSignal | undefined,
): Promise<ServerKind> {
  for (const owner of models?.owners ?? []) {
    const kind = OWNERS[owner]
    if (kind !== undefined) return kind
  }
  // `transformers serve` lists what is in its cache, and says nothing of itself, but for its description.
  const description = await http
    .json('/../openapi.json', { method: 'GET', retries: 0, signal })
    .catch(() => null)
  const paths: unknown =
    typeof description === 'object' && description !== null ? Reflect.get(description, 'paths') : null
  return typeof paths === 'object' && paths !== null && '/load_model' in paths ? 'transformers' : 'other'
}

/** Optional fields that a refusal names; a refusal that names none is about something else. */
function refusedFields(error: ElenchusError, without: ReadonlySet<string>): string[] {
  const status = error.details['status']
  if (status !== 400 && status !== 422) return []
  const words = new Set(error.message.match(/\w+/g))
  return Object.keys(OPTIONAL_FIELDS).filter((field) => words.has(field) && !without.has(field))
}

function withModels(error: ElenchusError, model: string, models: Models | null): ElenchusError {
  if (models === null || models.ids.length === 0 || models.ids.includes(model)) return error
  const listed = models.ids.slice(0, 20).join(', ')
  return new ElenchusError('http_refused', error.message, {
    hint: `It serves: ${listed}.`,
    details: { ...error.details, models: models.ids },
    cause: error,
  })
}
