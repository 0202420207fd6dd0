import { ElenchusError } from '../errors.ts'
import type { EventSink } from '../runs/events.ts'
import {
  BACKEND_SPECIFICATION,
  type ModelBackend,
  type TrainingOptions,
  type TrainingSession,
} from './backend.ts'

/** Asked before a stage that has not finished; throws where it is not to begin. */
export type StageGate = (stage: string) => void

/** What every stage is given besides its own input. */
export interface StageContext {
  readonly backend: ModelBackend
  readonly events: EventSink
  /** Continue an interrupted stage, and return the stored summary of a finished one. */
  readonly resume: boolean
  readonly signal?: AbortSignal | undefined
  /** Absent: every stage begins. */
  readonly gate?: StageGate
}

/**
 * Refuses a backend that a stage cannot generate with.
 *
 * @throws ElenchusError `capability_missing` before anything has started.
 */
export function requireGeneration(backend: ModelBackend, stage: string): void {
  refuseOtherSpecification(backend, stage)
  if (!backend.capabilities.generate) {
    throw new ElenchusError('capability_missing', `${stage}: the backend "${backend.name}" cannot generate.`)
  }
}

/** The backend's training entry point. @throws ElenchusError `capability_missing` before anything has started. */
export function requireTraining(
  backend: ModelBackend,
  stage: string,
): (options: TrainingOptions) => Promise<TrainingSession> {
  refuseOtherSpecification(backend, stage)
  if (!backend.capabilities.train || backend.openTraining === undefined) {
    throw new ElenchusError('capability_missing', `${stage}: the backend "${backend.name}" cannot train.`)
  }
  return backend.openTraining.bind(backend)
}

/** Whoever brings a backend of their own may have written it for another release, past any type checker. */
function refuseOtherSpecification(backend: ModelBackend, stage: string): void {
  const specification: unknown = backend.specification
  if (specification === BACKEND_SPECIFICATION) return
  throw new ElenchusError(
    'capability_missing',
    `${stage}: the backend "${backend.name}" is of specification ${JSON.stringify(specification) ?? '(none)'}, and this release needs "${BACKEND_SPECIFICATION}".`,
    { hint: 'Use a release of the backend that was written for this release of Elenchus.' },
  )
}
