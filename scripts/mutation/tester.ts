import { createVitest } from 'vitest/node'

/** What the parent process asks: run the tests again, with this file changed since the last time. */
export interface Question {
  /** Absolute path; null where nothing has changed. */
  readonly changed: string | null
}

export interface Answer {
  readonly passed: boolean
}

/**
 * Runs in a process group of its own, so that a test that never ends can be killed with all that vitest
 * has started. One vitest stays up for many mutants: what has not changed is not transformed again.
 * Arguments: the root of the copy, and the groups of tests as JSON. A group runs if those before it pass.
 */
const [root = '.', groups = '[]'] = process.argv.slice(2)
// The parent is the other half of this program.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const testGroups = JSON.parse(groups) as string[][]

const vitest = await createVitest('test', {
  root,
  watch: true,
  isolate: false,
  fileParallelism: false,
  maxWorkers: 1,
  bail: 1,
  reporters: [{}],
})
await vitest.standalone()

async function passes(): Promise<boolean> {
  for (const tests of testGroups) {
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(
      await vitest.globTestSpecifications(tests),
    )
    if (testModules.length === 0) throw new Error(`No tests: ${tests.join(', ')}`)
    if (unhandledErrors.length > 0 || !testModules.every((module) => module.ok())) return false
  }
  return true
}

process.on('message', (question: Question) => {
  void (async () => {
    if (question.changed !== null) vitest.invalidateFile(question.changed)
    const answer: Answer = { passed: await passes() }
    process.send?.(answer)
  })()
})
process.on('disconnect', () => process.exit())
