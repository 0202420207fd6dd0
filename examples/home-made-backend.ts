/**
 * A model backend of one's own, held against the contract that every stage relies on, and used by a stage.
 * Its "model" is a little program that writes proofs of one step; yours may be anything that gives text.
 *
 *     node examples/home-made-backend.ts      # Node 22.18 or newer; elsewhere `npx tsx`
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  BACKEND_SPECIFICATION,
  type Completion,
  ElenchusError,
  type GenerateOptions,
  type GenerateRequest,
  generateProblems,
  type ModelBackend,
  runTraces,
  tracesSchema,
  type TracesSummary,
} from 'elenchus'
import {
  type ConformanceCase,
  conformanceCases,
  type ConformanceOffers,
  type ConformanceSubject,
} from 'elenchus/testing'

const FINGERPRINT = 'home-made-1'

export function createHomeMadeBackend(): ModelBackend {
  return {
    specification: BACKEND_SPECIFICATION,
    name: 'home-made',
    capabilities: {
      generate: true,
      score: false,
      train: false,
      tokenIds: false,
      logprobs: false,
      adapters: false,
    },
    // The fingerprint stands for the weights: whoever changes them changes it.
    info: () =>
      Promise.resolve({ model: 'home-made', fingerprint: FINGERPRINT, device: 'none', versions: {} }),
    generate,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

async function* generate(
  requests: readonly GenerateRequest[],
  options: GenerateOptions,
): AsyncGenerator<Completion> {
  if (options.policy.fingerprint !== FINGERPRINT) {
    throw new ElenchusError('stale_policy', 'This backend has no such weights.')
  }
  if (new Set(requests.map(({ key }) => key)).size < requests.length) {
    throw new ElenchusError('bad_request', 'Two requests of one call have the same key.')
  }
  for (const { key, prompt, seed } of requests) {
    // Yours would wait for its model here; this is where an abort is noticed.
    await Promise.resolve()
    if (options.signal?.aborted === true) throw new ElenchusError('cancelled', 'generate was cancelled.')
    yield { key, ...cut(answer(prompt, options.temperature === 0 ? 0 : seed), options) }
  }
}

/** Words with the space behind them: the tokens of this model. */
function cut(text: string, options: GenerateOptions): Omit<Completion, 'key'> {
  const { stops, segment, maxNewTokens } = options
  let [written, inSegment, boundaries, count] = ['', 0, 0, 0]
  const done = (finishReason: Completion['finishReason'], stopName?: string): Omit<Completion, 'key'> => ({
    text: written,
    numTokens: count,
    finishReason,
    ...(stopName !== undefined && { stopName }),
  })
  for (const token of text.match(/\S*\s|\S+$/g) ?? []) {
    if (count === maxNewTokens) return done('length')
    written += token
    count += 1
    inSegment += 1
    const stop = stops.find((each) => matches(each.pattern, written) >= each.count)
    if (stop !== undefined) return done('stop', stop.name)
    if (segment !== undefined) {
      const now = matches(segment.boundary, written)
      if (now > boundaries) [inSegment, boundaries] = [0, now]
      if (inSegment >= segment.maxTokens) return done('segment_length')
    }
  }
  return done('eos')
}

function matches(pattern: string, text: string): number {
  return [...text.matchAll(new RegExp(pattern, 'gu'))].length
}

/** Takes a fact and a rule of the prompt, chosen by the seed, and concludes at random. */
function answer(prompt: string, seed: number): string {
  const lines = [...prompt.matchAll(/^(.+)\. \[(\d+)\]$/gm)].map(([, text = '', index = '']) => ({
    text,
    index,
  }))
  const facts = lines.filter(({ text }) => !text.startsWith('Every '))
  const rules = lines.filter(({ text }) => text.startsWith('Every '))
  const [fact, rule] = [facts[seed % (facts.length || 1)], rules[seed % (rules.length || 1)]]
  if (fact === undefined || rule === undefined)
    return `There is nothing to prove here, said the backend ${seed} times. `
  const [subject = ''] = fact.text.split(' ')
  const property = rule.text.replace(/^Every \S+/, '')
  return `Thought: ${fact.text}. [${fact.index}] ${rule.text}. [${rule.index}] So ${subject}${property}. [${lines.length}]
Action: <Option type="MODUS_PONENS" args="[${fact.index}, ${rule.index}]" />
Thought: So the answer is ${seed % 2 === 0 ? 'TRUE' : 'FALSE'}.
Action: <Option type="CONCLUDE" args="[${seed % 2}]" />
`
}

/** Runs every case of the contract; the names of those that fail. */
export async function check(): Promise<string[]> {
  const backend = createHomeMadeBackend()
  const subject: ConformanceSubject = { backend, prompts: ['first', 'second'], folder: '' }
  const offers: ConformanceOffers = { score: false, train: false, seeds: true }
  const cases: readonly ConformanceCase[] = conformanceCases(() => subject, offers)
  const failed: string[] = []
  for (const { group, name, run } of cases) {
    await run().catch((error: unknown) => failed.push(`${group}: ${name}: ${String(error)}`))
  }
  return failed
}

/** Traces of generated problems by this backend, judged. */
export async function sample(dir: string): Promise<TracesSummary> {
  const backend = createHomeMadeBackend()
  return runTraces(
    { backend, events: () => undefined, resume: false },
    {
      dir,
      config: tracesSchema.parse({
        samples_per_problem: 4,
        temperature: 1,
        max_steps: 4,
        max_thought_tokens: 60,
      }),
      seed: 1,
      problems: generateProblems({ count: 10, seed: 1, split: 'train', hops: [1] }),
      policy: { kind: 'base', fingerprint: FINGERPRINT },
    },
  )
}

if (import.meta.filename === process.argv[1]) {
  const failed = await check()
  process.stdout.write(failed.length === 0 ? 'It keeps the contract.\n' : `${failed.join('\n')}\n`)
  const summary = await sample(await mkdtemp(join(tmpdir(), 'home-made-')))
  process.stdout.write(`${summary.traces} traces, ${summary.correct} of them correct\n`)
}
