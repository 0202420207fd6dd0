import { ElenchusError } from '../errors.ts'
import {
  BACKEND_SPECIFICATION,
  type Completion,
  type FinishReason,
  type GenerateOptions,
  type GenerateRequest,
  type ModelBackend,
} from './backend.ts'

/** What the model of a {@link createScriptedBackend} would say, if nothing stopped it. */
export type Script = (request: GenerateRequest, options: GenerateOptions) => string | Promise<string>

const FINGERPRINT = 'scripted'

/**
 * A backend that answers from a function, one request after the other: for tests and for embedders.
 *
 * Its tokens are Unicode code points, and its answers are cut where a model would have been stopped: by
 * stops, by the limit of a segment, by `maxNewTokens`.
 */
export function createScriptedBackend(script: Script): ModelBackend {
  return {
    specification: BACKEND_SPECIFICATION,
    name: 'scripted',
    capabilities: {
      generate: true,
      score: false,
      train: false,
      tokenIds: true,
      logprobs: false,
      adapters: false,
    },
    info: () =>
      Promise.resolve({ model: 'scripted', fingerprint: FINGERPRINT, device: 'none', versions: {} }),
    generate: (requests, options) => generate(script, requests, options),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

async function* generate(
  script: Script,
  requests: readonly GenerateRequest[],
  options: GenerateOptions,
): AsyncGenerator<Completion, void, undefined> {
  if (options.policy.fingerprint !== FINGERPRINT) {
    throw new ElenchusError('stale_policy', 'A scripted backend has one policy: its base.', {
      hint: 'Take the fingerprint from `info()`.',
    })
  }
  if (new Set(requests.map(({ key }) => key)).size !== requests.length) {
    throw new ElenchusError('bad_request', 'Two requests of one call have the same key.')
  }
  for (const request of requests) {
    if (options.signal?.aborted === true) {
      const reason: unknown = options.signal.reason
      throw ElenchusError.is(reason) ? reason : new ElenchusError('cancelled', 'generate was cancelled.')
    }
    yield completion(request, await script(request, options), options)
  }
}

interface Cut {
  /** Offset in UTF-16 units. */
  readonly at: number
  readonly finishReason: FinishReason
  readonly stopName?: string
}

function completion(request: GenerateRequest, script: string, options: GenerateOptions): Completion {
  const cuts: readonly Cut[] = [
    ...stopCuts(script, options),
    ...segmentCuts(script, options),
    ...lengthCuts(script, options),
    { at: script.length, finishReason: 'eos' },
  ]
  // Of two at the same place, the reason named first.
  const first = cuts.reduce((earliest, cut) => (cut.at < earliest.at ? cut : earliest))
  const text = script.slice(0, first.at)
  const ids = Int32Array.from(text, (character) => character.codePointAt(0) ?? 0)
  return {
    key: request.key,
    text,
    ids,
    numTokens: ids.length,
    promptTokens: tokens(request.prompt).length,
    finishReason: first.finishReason,
    ...(first.stopName === undefined ? {} : { stopName: first.stopName }),
  }
}

function stopCuts(script: string, { stops }: GenerateOptions): Cut[] {
  return stops.flatMap(({ name, pattern, count }) => {
    const match = [...script.matchAll(new RegExp(pattern, 'gu'))][count - 1]
    return match === undefined
      ? []
      : [{ at: match.index + match[0].length, finishReason: 'stop', stopName: name }]
  })
}

function segmentCuts(script: string, { segment }: GenerateOptions): Cut[] {
  if (segment === undefined) return []
  const matches = [...script.matchAll(new RegExp(segment.boundary, 'gu'))]
  const bounds = [0, ...matches.map((match) => match.index + match[0].length), script.length]
  return bounds.slice(1).flatMap((end, index) => {
    const start = bounds[index] ?? 0
    const inside = tokens(script.slice(start, end))
    if (inside.length <= segment.maxTokens) return []
    return [
      { at: start + inside.slice(0, segment.maxTokens).join('').length, finishReason: 'segment_length' },
    ]
  })
}

function lengthCuts(script: string, { maxNewTokens }: GenerateOptions): Cut[] {
  const all = tokens(script)
  return all.length <= maxNewTokens
    ? []
    : [{ at: all.slice(0, maxNewTokens).join('').length, finishReason: 'length' }]
}

/** Code points, each as a string. */
function tokens(text: string): string[] {
  return Array.from(text)
}
