import { existsSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const ROOT = resolve(import.meta.dirname, '../..')

/** The files that take longest, longest first. One of them begun last would keep a single core busy at the end. */
const SLOWEST = [
  'tests/pipelines/abel.test.ts',
  'tests/pipelines/oak.test.ts',
  'tests/pipelines/vllm.test.ts',
  'tests/rollouts/kill.test.ts',
  'tests/backends/ranks.test.ts',
  'tests/training/ppo/kill.test.ts',
  'tests/bridge/real-launchers.test.ts',
  'tests/backends/openai/real-server.test.ts',
  'tests/examples/library.test.ts',
  'tests/answers/equations/read.test.ts',
  'tests/cli/main.test.ts',
  'tests/bridge/group.test.ts',
  'tests/entailment/baseline.test.ts',
]

/** Vitest knows durations of earlier runs only, which a fresh clone has none of, and goes by the size of files there. */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    for (const file of SLOWEST) {
      if (!existsSync(resolve(ROOT, file)))
        throw new Error(`${file} is gone: take it out of slowest-first.ts.`)
    }
    const place = ({ moduleId }: TestSpecification): number => {
      const found = SLOWEST.indexOf(relative(ROOT, moduleId))
      return found === -1 ? SLOWEST.length : found
    }
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b))
  }
}
