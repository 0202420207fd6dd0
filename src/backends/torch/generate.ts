import type { OpMap } from '../../bridge/protocol/ops.ts'
import type { CallEvent } from '../../bridge/call.ts'
import { ElenchusError } from '../../errors.ts'
import type { Completion, GenerateOptions, GenerateRequest } from '../backend.ts'
import { Channel } from '../channel.ts'
import { dealOut, start } from './lanes.ts'
import type { PolicyLane, WorkerHandle } from './worker-models.ts'

type GenerateBody = OpMap['generate']['request']

/** What every request of a backend has in common. */
export interface EngineSettings {
  readonly engine: GenerateBody['engine']
  readonly deterministic: boolean
}

/** Completions that wait here for their reader; those behind them keep their worker's credits. */
const BUFFERED = 64

/**
 * Completions as they finish, dealt out over the workers. Leaving the loop cancels what still runs; what a
 * worker leaves undone when it dies is generated again, with the same seeds and so the same texts.
 */
export async function* generate(
  workers: readonly PolicyLane[],
  requests: readonly GenerateRequest[],
  options: GenerateOptions,
  settings: EngineSettings,
): AsyncGenerator<Completion, void, undefined> {
  const open = new Set(requests.map(({ key }) => key))
  if (open.size !== requests.length) {
    throw new ElenchusError('bad_request', 'Two requests of one call have the same key.')
  }
  const channel = new Channel<Completion>(BUFFERED)
  const leaving = new AbortController()

  async function serve(worker: WorkerHandle, body: GenerateBody, signal: AbortSignal): Promise<void> {
    const call = worker.call('generate', body, { sequences: body.requests.length, signal })
    for await (const event of call.events) {
      if (!open.delete(event.body.key)) {
        throw new ElenchusError('protocol_violation', `Nobody asked for the completion "${event.body.key}".`)
      }
      await channel.push(completion(event))
    }
    await call.result
  }

  const dealing = dealOut({
    items: requests,
    lanes: workers,
    chunkSize: wholePrompts,
    isDone: ({ key }) => !open.has(key),
    describe: ({ key, prompt }) => `The request "${key}", ${start(prompt)},`,
    signal: anySignal(options.signal, leaving.signal),
    serve: (worker, chunk, signal) =>
      worker.withPolicy(options.policy, signal, (handle, policy) =>
        serve(handle, generateBody(policy, chunk, options, settings), signal),
      ),
  }).then(
    () => channel.end(null),
    (error: Error) => channel.end(error),
  )
  try {
    yield* channel.read()
  } finally {
    leaving.abort()
    channel.end(null)
    await dealing
  }
}

function anySignal(given: AbortSignal | undefined, own: AbortSignal): AbortSignal {
  return given === undefined ? own : AbortSignal.any([given, own])
}

/** A chunk that does not tear the samples of a prompt apart if it can help it: they share its prefill. */
export function wholePrompts(requests: readonly GenerateRequest[], wanted: number, most: number): number {
  const tears = (end: number): boolean =>
    end > 0 && end < requests.length && requests[end - 1]?.prompt === requests[end]?.prompt
  let up = wanted
  while (up < most && tears(up)) up += 1
  if (!tears(up)) return up
  let down = wanted
  while (tears(down)) down -= 1
  return down === 0 ? wanted : down
}

function generateBody(
  policy: string | null,
  chunk: readonly GenerateRequest[],
  options: GenerateOptions,
  settings: EngineSettings,
): GenerateBody {
  return {
    policy,
    engine: settings.engine,
    requests: chunk.map(({ key, prompt, seed }) => ({ key, prompt, seed })),
    sampling: {
      temperature: options.temperature,
      top_p: options.topP,
      max_new_tokens: options.maxNewTokens,
    },
    stops: options.stops.map(({ name, pattern, count }) => ({ name, pattern, count })),
    segment: options.segment && { boundary: options.segment.boundary, max_tokens: options.segment.maxTokens },
    logprobs: true,
    deterministic: settings.deterministic,
  }
}

function completion({ body, blobs }: CallEvent<'generate'>): Completion {
  return {
    key: body.key,
    text: body.text,
    ids: blobs.ids,
    numTokens: body.num_tokens,
    promptTokens: body.prompt_tokens,
    finishReason: body.finish_reason,
    ...(blobs.logprobs === undefined ? {} : { logprobs: blobs.logprobs }),
    ...(typeof body.stop_name === 'string' ? { stopName: body.stop_name } : {}),
  }
}
