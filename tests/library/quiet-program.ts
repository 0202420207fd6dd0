/** Imports the library, judges, samples, and fails with it; tells on fd 3 what it has left behind. */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  buildPairs,
  createScriptedBackend,
  ElenchusError,
  generateProblems,
  loadConfig,
  oakSchema,
  openRun,
  parseOverride,
  runPipeline,
  runTraces,
  tracesSchema,
  verifyProof,
} from '../../src/index.ts'

const [folder = '', shipped = ''] = process.argv.slice(2)

verifyProof({ premises: ['Max is a cat.'], conclusion: 'Max is a cat.' }, 'Thought: nothing')
buildPairs({ traces: [] })
await openRun('/nowhere').catch(() => undefined)

const backend = createScriptedBackend(() => 'Thought: nothing')
const traces = await runTraces(
  { backend, events: () => undefined, resume: false },
  {
    dir: join(folder, 'traces'),
    config: tracesSchema.parse({
      samples_per_problem: 2,
      temperature: 1,
      max_steps: 4,
      max_thought_tokens: 20,
    }),
    seed: 1,
    problems: generateProblems({ count: 3, seed: 1, split: 'train', hops: [1], name: 'few' }),
    policy: { kind: 'base', fingerprint: (await backend.info()).fingerprint },
  },
)

const settings = [
  `output=${join(folder, 'run')}`,
  'model={path: /no/such/model}',
  ...['sft', 'train', 'held_out'].map((set) => `data.${set}={files: [/nowhere.jsonl]}`),
]
const config = await loadConfig(shipped, oakSchema, settings.map(parseOverride))
// Nobody reads the events or the summary: its failure must end nothing.
const run = runPipeline(config)
const failure: unknown = await run.summary.catch((error: unknown) => error)

// Until this module has been evaluated, Node.js itself listens to `exit`.
setImmediate(() => {
  const listeners = process.eventNames().flatMap((name) => {
    const count = process.listenerCount(name)
    // What it listens to in every process.
    return ['newListener', 'removeListener', 'warning'].includes(String(name)) || count === 0
      ? []
      : [`${String(name)}: ${count}`]
  })
  const told = {
    traces: traces.traces,
    failure: ElenchusError.is(failure) ? failure.code : String(failure),
    listeners,
    exitCode: process.exitCode ?? null,
  }
  writeSync(3, JSON.stringify(told))
})
