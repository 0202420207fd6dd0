import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ModelBackend } from '../../src/backends/backend.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { tracesSchema } from '../../src/config/traces.ts'
import { annotateProblems } from '../../src/problems/annotate.ts'
import { generateProblems } from '../../src/problems/generator/generate.ts'
import { runTraces } from '../../src/traces/stage.ts'

const PROBLEMS = annotateProblems(
  generateProblems({
    hops: [1],
    labels: ['TRUE', 'FALSE'],
    count: 40,
    seed: 1,
    split: 'train',
    name: 'x',
  }),
)
const SAMPLES = 2

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-streaming-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Whole lines of the only JSONL file that the stage has made so far. */
async function linesOnDisk(): Promise<number> {
  const text = await readFile(join(folder, 'traces.jsonl'), 'utf8').catch(() => '')
  return text.split('\n').length - 1
}

test('traces are judged and on disk while the backend is still generating', async () => {
  const scripted = createScriptedBackend(() => 'Action: <Option type="CONCLUDE" args="[0]" />\n')
  let judged = 0
  const seen: { judged: number; lines: number; outstanding: number }[] = []
  const backend: ModelBackend = {
    ...scripted,
    async *generate(requests, options) {
      let given = 0
      for await (const completion of scripted.generate(requests, options)) {
        yield completion
        given++
        if (given !== 70) continue
        // Generates nothing more until something is there: a stage that first collected would wait for ever.
        while ((await linesOnDisk()) === 0) await delay(5)
        seen.push({ judged, lines: await linesOnDisk(), outstanding: requests.length - given })
      }
    },
  }
  const summary = await runTraces(
    {
      backend,
      resume: false,
      events: (event) => {
        if (event.type === 'progress') judged = event.done
      },
    },
    {
      dir: folder,
      config: tracesSchema.parse({
        samples_per_problem: SAMPLES,
        max_steps: 8,
        max_thought_tokens: 100,
        temperature: 1,
      }),
      seed: 1,
      problems: PROBLEMS,
      policy: { kind: 'base', fingerprint: 'scripted' },
    },
  )
  expect(summary.traces).toBe(PROBLEMS.length * SAMPLES)
  expect(seen).toHaveLength(1)
  expect(seen[0]?.outstanding).toBe(10)
  expect(seen[0]?.lines).toBeGreaterThan(0)
  expect(seen[0]?.judged).toBeGreaterThan(0)
})
