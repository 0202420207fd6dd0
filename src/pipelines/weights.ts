import { join } from 'node:path'
import type { PolicyRef } from '../backends/backend.ts'
import type { StageContext } from '../backends/context.ts'
import type { ModelMaker } from '../training/tiny-model.ts'

/** Pipelines change the base of their backend, and may make one. */
export interface PipelineContext extends StageContext {
  readonly backend: ModelMaker
}

/** A policy with the base that it lives on: an adapter's base, or the weights themselves. */
export interface Weights {
  readonly model: string
  readonly policy: PolicyRef
}

/** What a training stage leaves: an adapter on its base, or, when every weight was trained, a base of its own. */
export function weightsAfter(start: Weights, dir: string, trained: { readonly policy: PolicyRef }): Weights {
  return trained.policy.kind === 'adapter'
    ? { model: start.model, policy: trained.policy }
    : { model: join(dir, 'final'), policy: trained.policy }
}
