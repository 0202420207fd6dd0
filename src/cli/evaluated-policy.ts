import { join } from 'node:path'
import type { ModelBackend, PolicyRef } from '../backends/backend.ts'
import { ElenchusError } from '../errors.ts'
import type { ModelReference } from '../pipelines/model-reference.ts'
import type { StageToPlan } from '../pipelines/plan-stage.ts'
import { checkGenerator, type GeneratorOptions, kindOf, openGenerator } from './generator.ts'
import type { Session } from './session.ts'

/** An evaluation whose flags and data have been read. */
export interface PreparedEvaluation {
  readonly plan: StageToPlan
  readonly evaluate: (session: Session) => Promise<void>
}

type EvaluatedOptions = GeneratorOptions & { readonly mergeAdapter?: boolean }

/** What {@link openEvaluated} would open. @throws ElenchusError as it does, as far as it can be told without. */
export function checkEvaluated(options: EvaluatedOptions): Promise<ModelReference> {
  if (options.mergeAdapter === true && kindOf(options) !== 'torch') {
    throw new ElenchusError(
      'usage',
      '--merge-adapter: only --backend torch merges; serve a merged model instead.',
    )
  }
  return checkGenerator(options)
}

/** The model that the flags name, ready to be evaluated; with `--merge-adapter` as a second, merged copy. */
export async function openEvaluated(
  options: EvaluatedOptions,
  dir: string,
  { events, signal }: Pick<Session, 'events' | 'signal'>,
): Promise<{ readonly backend: ModelBackend; readonly policy: PolicyRef }> {
  await checkEvaluated(options)
  const opened = await openGenerator(options, { logDirectory: join(dir, 'logs'), events, signal })
  const { policy } = opened
  if (options.mergeAdapter !== true || opened.kind !== 'torch' || policy.kind !== 'adapter') {
    return { backend: opened.backend, policy }
  }
  const { backend } = opened
  try {
    const merged = join(dir, 'merged')
    await backend.saveMerged(policy, merged)
    await backend.switchModel(merged)
    return { backend, policy: { kind: 'base', fingerprint: (await backend.info()).fingerprint } }
  } catch (error) {
    await backend[Symbol.asyncDispose]()
    throw error
  }
}
