import { expect, test } from 'vitest'
import { Z3Process, type Z3Question } from '../../src/entailment/z3-process.ts'

const UNSATISFIABLE: Z3Question = { script: '(assert false)', rlimit: 100_000, timeoutMs: 10_000 }
const SATISFIABLE: Z3Question = { ...UNSATISFIABLE, script: '(assert true)' }

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('starts with the first question, answers in order, and leaves no process behind', async () => {
  const z3 = new Z3Process()
  expect(z3.pid).toBeUndefined()
  const answers = await Promise.all([z3.ask(UNSATISFIABLE), z3.ask(SATISFIABLE), z3.ask(UNSATISFIABLE)])
  expect(answers.map(({ kind }) => kind)).toEqual(['unsat', 'sat', 'unsat'])
  const pid = z3.pid ?? 0
  expect(isRunning(pid)).toBe(true)
  await z3[Symbol.asyncDispose]()
  expect(isRunning(pid)).toBe(false)
  await expect(z3.ask(SATISFIABLE)).rejects.toMatchObject({ code: 'internal' })
})

test('a crash is an answer, and the next question gets a new process', async () => {
  const z3 = new Z3Process()
  await z3.ask(SATISFIABLE)
  const first = z3.pid ?? 0
  process.kill(first, 'SIGKILL')
  const answer = await z3.ask(SATISFIABLE)
  // Killed before the question was sent or after: either is given up or already answered by a new process.
  expect(['gave-up', 'sat']).toContain(answer.kind)
  expect(await z3.ask(UNSATISFIABLE)).toEqual({ kind: 'unsat' })
  expect(z3.pid).not.toBe(first)
  await z3[Symbol.asyncDispose]()
})

test('a script that Z3 cannot read is refused, and harms no other', async () => {
  await using z3 = new Z3Process()
  expect(await z3.ask({ ...SATISFIABLE, script: '(assert (nonsense' })).toMatchObject({ kind: 'refused' })
  expect(await z3.ask(SATISFIABLE)).toEqual({ kind: 'sat' })
})

test('a megabyte of assertions arrives whole', async () => {
  await using z3 = new Z3Process()
  const script = `(declare-const a Bool)${'(assert a)'.repeat(100_000)}(assert (not a))`
  expect(await z3.ask({ script, rlimit: 1_000_000_000, timeoutMs: 60_000 })).toEqual({ kind: 'unsat' })
})

test('while it idles it keeps nobody alive; while it works it does', async () => {
  await using z3 = new Z3Process()
  await z3.ask(SATISFIABLE)
  const idle = alive()
  const answer = z3.ask(SATISFIABLE)
  await Promise.resolve()
  const busy = alive()
  await answer
  expect(busy).toBe(idle + 1)
  expect(alive()).toBe(idle)
})

function alive(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'ProcessWrap').length
}
