import assert from 'node:assert/strict'
import type { Completion } from '../backends/backend.ts'
import { ElenchusError } from '../errors.ts'

/** Asserts that the action fails with an error of this code. */
export async function expectCode(action: Promise<unknown>, code: string): Promise<void> {
  assert.equal(await codeOf(action), code)
}

/** The code of the error that an action fails with, `no error` if it does not. */
export async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action
  } catch (error) {
    if (ElenchusError.is(error)) return error.code
    throw error
  }
  return 'no error'
}

export function expectClose(found: number, wanted: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(found - wanted) <= tolerance, `${what}: ${found} instead of ${wanted} (± ${tolerance})`)
}

export async function collect(stream: AsyncIterable<Completion>): Promise<Completion[]> {
  const completions: Completion[] = []
  for await (const completion of stream) completions.push(completion)
  return completions
}
