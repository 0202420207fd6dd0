import * as z from 'zod'
import { ElenchusError } from '../../errors.ts'
import { httpFailed } from './failures.ts'

/** Text that the server gave as one: a token where it says so, otherwise what its stream held. */
export interface Piece {
  readonly text: string
  readonly id?: number
  readonly logprob?: number
}

/** One document of a stream, or a whole reply. */
export interface Chunk {
  readonly pieces: readonly Piece[]
  /** Whether each piece is one token for certain. */
  readonly exact: boolean
  /** Whether the model ended it by itself. */
  readonly endsNaturally: boolean
  /** In the words of the server; null while there is more to come. */
  readonly finish: string | null
  /** The stop string that ended it, where the server says so. */
  readonly stop: string | null
  readonly promptTokens?: number
  readonly completionTokens?: number
}

const usageSchema = z.looseObject({
  prompt_tokens: z.number().int(),
  completion_tokens: z.number().int().optional(),
})
const choiceShape = {
  finish_reason: z.string().nullish(),
  stop_reason: z.union([z.string(), z.number()]).nullish(),
  matched_stop: z.union([z.string(), z.number()]).nullish(),
  token_ids: z.array(z.number().int()).nullish(),
  prompt_token_ids: z.array(z.number().int()).nullish(),
}
/** A token as text with its log-probability; the first of an echoed prompt has none. */
interface Token {
  readonly text: string
  readonly logprob: number
}

const completionSchema = z
  .looseObject({
    choices: z.array(
      z.looseObject({
        ...choiceShape,
        text: z.string().nullish(),
        logprobs: z
          .looseObject({ tokens: z.array(z.string()), token_logprobs: z.array(z.number().nullable()) })
          .nullish(),
      }),
    ),
    usage: usageSchema.nullish(),
  })
  .transform(({ choices: [choice], usage }) => ({
    choice: choice && { ...choice, tokens: tokensOf(choice.logprobs) },
    usage,
  }))

const messageSchema = z.looseObject({ content: z.string().nullish() })
const chatSchema = z
  .looseObject({
    choices: z.array(
      z.looseObject({
        ...choiceShape,
        delta: messageSchema.nullish(),
        message: messageSchema.nullish(),
        logprobs: z
          .looseObject({
            content: z.array(z.looseObject({ token: z.string(), logprob: z.number() })).nullish(),
          })
          .nullish(),
      }),
    ),
    usage: usageSchema.nullish(),
  })
  .transform(({ choices: [choice], usage }) => ({
    choice: choice && {
      ...choice,
      text: choice.delta?.content ?? choice.message?.content,
      tokens: (choice.logprobs?.content ?? []).map(({ token, logprob }): Token => ({ text: token, logprob })),
    },
    usage,
  }))

function tokensOf(
  logprobs: { readonly tokens: string[]; readonly token_logprobs: (number | null)[] } | null | undefined,
): Token[] {
  return (logprobs?.tokens ?? []).map((text, index) => ({
    text,
    logprob: logprobs?.token_logprobs[index] ?? Number.NaN,
  }))
}

/** @throws ElenchusError `http_failed` for a document that is none, or says that the server failed. */
export function readChunk(document: unknown, api: 'completions' | 'chat'): Chunk {
  throwServerError(document)
  const parsed = api === 'chat' ? chatSchema.safeParse(document) : completionSchema.safeParse(document)
  if (!parsed.success) {
    throw httpFailed(`The server's reply is malformed: ${JSON.stringify(document).slice(0, 200)}`, {
      cause: parsed.error,
    })
  }
  const { choice, usage } = parsed.data
  const finish = choice?.finish_reason ?? null
  const stop = choice?.stop_reason ?? choice?.matched_stop
  const promptTokens = usage?.prompt_tokens ?? choice?.prompt_token_ids?.length
  return {
    ...piecesOf({
      text: choice?.text ?? '',
      tokens: choice?.tokens ?? [],
      ids: choice?.token_ids ?? [],
      endsNaturally: (finish === 'stop' || finish === 'eos_token') && typeof stop !== 'string',
    }),
    finish,
    stop: typeof stop === 'string' ? stop : null,
    ...(promptTokens !== undefined && { promptTokens }),
    ...(usage?.completion_tokens !== undefined && { completionTokens: usage.completion_tokens }),
  }
}

/** Text, tokens and ids of one document as pieces that can be cut between. */
function piecesOf(given: {
  readonly text: string
  readonly tokens: readonly Token[]
  readonly ids: readonly number[]
  /** Its last token is the end of the text, and has none. */
  readonly endsNaturally: boolean
}): Pick<Chunk, 'pieces' | 'exact' | 'endsNaturally'> {
  const { text, tokens, ids, endsNaturally } = given
  const count = Math.max(tokens.length, ids.length)
  if (count === 0) return { pieces: text === '' ? [] : [{ text }], exact: false, endsNaturally }
  const withText = endsNaturally && count > 1 ? count - 1 : count
  const texts = separate(
    text,
    tokens.slice(0, withText).map((token) => token.text),
  )
  const separable = tokens.length === count && texts !== null
  const pieces = Array.from({ length: count }, (_, index): Piece => {
    const [id, logprob] = [ids[index], tokens[index]?.logprob]
    return {
      text: separable ? (texts[index] ?? '') : index === withText - 1 ? text : '',
      ...(id !== undefined && { id }),
      ...(logprob !== undefined && { logprob }),
    }
  })
  return { pieces, exact: true, endsNaturally }
}

/**
 * The part of the text that each token made, or null where they do not add up to it (parts of characters): it cannot be
 * cut inside then. A token that is decoded by itself loses the space before it in SentencePiece vocabularies.
 */
function separate(text: string, tokens: readonly string[]): readonly string[] | null {
  const parts: string[] = []
  let at = 0
  for (const token of tokens) {
    const spaced = ` ${token}`
    const part = text.startsWith(token, at) ? token : text.startsWith(spaced, at) ? spaced : null
    if (part === null) return null
    parts.push(part)
    at += part.length
  }
  return at === text.length ? parts : null
}

/** Some servers report failures inside a reply that began well. */
function throwServerError(document: unknown): void {
  if (typeof document !== 'object' || document === null || !('error' in document)) return
  const { error } = document
  const text = typeof error === 'string' ? error : JSON.stringify(error)
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  const message = `The server failed while it answered: ${text.slice(0, 500)}`
  if (typeof code === 'number' && code >= 400 && code < 500 && code !== 429) {
    throw new ElenchusError('http_refused', message, { details: { status: code } })
  }
  throw httpFailed(message)
}
