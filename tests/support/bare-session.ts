import type { StepInput, StepResult, TrainingSession } from '../../src/backends/backend.ts'

/** A session for tests to extend: whatever a test does not expect to be asked for is an error. */
export abstract class BareSession implements TrainingSession {
  readonly trainableParameters: number = 1

  abstract step(input: StepInput): Promise<StepResult>

  saveCheckpoint(...given: Parameters<TrainingSession['saveCheckpoint']>): Promise<void> {
    return unexpected('saveCheckpoint', given)
  }

  loadCheckpoint(
    ...given: Parameters<TrainingSession['loadCheckpoint']>
  ): ReturnType<TrainingSession['loadCheckpoint']> {
    return unexpected('loadCheckpoint', given)
  }

  generate(...given: Parameters<TrainingSession['generate']>): ReturnType<TrainingSession['generate']> {
    return unexpected('generate', given)
  }

  score(...given: Parameters<TrainingSession['score']>): ReturnType<TrainingSession['score']> {
    return unexpected('score', given)
  }

  save(...given: Parameters<TrainingSession['save']>): ReturnType<TrainingSession['save']> {
    return unexpected('save', given)
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function unexpected(name: string, given: readonly unknown[]): never {
  throw new Error(`Nobody should have called ${name} (with ${given.length} arguments).`)
}
