import { ElenchusError } from '../errors.ts'
import type { EventSink } from '../runs/events.ts'
import type { ModelBackend, TrainingOptions, TrainingSession } from './backend.ts'

/** What every stage is given besides its own input. */
export interface StageContext {
  readonly backend: ModelBackend
  readonly events: EventSink
  /** Continue an interrupted stage, and return the stored summary of a finished one. */
  readonly resume: boolean
  readonly signal?: AbortSignal | undefined
}

/** The backend's training entry point. @throws ElenchusError `capability_missing` before anything has started. */
export function requireTraining(
  backend: ModelBackend,
  stage: string,
): (options: TrainingOptions) => Promise<TrainingSession> {
  if (!backend.capabilities.train || backend.openTraining === undefined) {
    throw new ElenchusError('capability_missing', `${stage}: the backend "${backend.name}" cannot train.`)
  }
  return backend.openTraining.bind(backend)
}
