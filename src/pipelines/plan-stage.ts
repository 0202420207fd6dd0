import type { BackendConfig } from '../config/backend.ts'
import { planner, type PlannedPairs, type PlannedStage, type Planner } from '../plan/stages.ts'
import type { PreferencePair } from '../preferences/pair.ts'
import type { ArithmeticQuestion } from '../problems/arithmetic/question.ts'
import type { Problem } from '../problems/problem.ts'
import { renderAbelPrompt } from '../prompts/abel.ts'
import { renderProofPrompt } from '../prompts/proof.ts'
import { launcherOf } from './launchers.ts'
import { CHARACTERS, deviceOf, goldText, type Plan, shapeOf, USUAL } from './plan-config.ts'

/** A single stage, as its command is about to run it. */
export interface StageToPlan {
  readonly command: string
  /** Folder or hub name of the base. */
  readonly model: string
  readonly lengths: Plan['lengths']
  readonly stage: (plan: Planner) => PlannedStage
}

/** What a stage on such workers would take. Starts nothing. */
export async function planStage(given: StageToPlan, backend: BackendConfig): Promise<Plan> {
  const assumptions: string[] = []
  const { speed, device } = deviceOf(backend)
  if (backend.gpus.length === 0)
    assumptions.push('no devices are named, so these are CPUs; name them with --gpus')
  const devices = backend.num_processes ?? launcherOf(backend).defaultRanks
  const shape = await shapeOf({ path: given.model }, assumptions)
  const { lengths } = given
  const sharded = backend.sharding === 'fsdp2'
  const plan = planner({ shape, device, speed, devices, sharded, lengths })
  return {
    pipeline: given.command,
    model: given.model,
    devices,
    device: speed,
    lengths,
    stages: [given.stage(plan)],
    assumptions,
  }
}

/** Texts that tell how long prompts and completions will be, at {@link CHARACTERS} per token; the mean. */
export function lengthsOf(prompts: readonly string[], completions: readonly string[]): Plan['lengths'] {
  const tokens = (texts: readonly string[]): number =>
    Math.ceil(mean(texts.map(({ length }) => length)) / CHARACTERS.usual)
  return { prompt: tokens(prompts), completion: tokens(completions) }
}

/** The usual rank of an adapter: how wide one is that was trained elsewhere does not matter beside its base. */
export const USUAL_RANK = 16

export function questionLengths(questions: readonly ArithmeticQuestion[]): Plan['lengths'] {
  return lengthsOf(
    questions.map(({ question }) => renderAbelPrompt(question)),
    questions.map(({ answer }) => answer),
  )
}

/** Completions as their proofs, or as such proofs usually are. */
export function problemLengths(problems: readonly Problem[]): Plan['lengths'] {
  const proofs = problems.flatMap(({ gold }) => (gold === undefined ? [] : [gold.map(goldText).join('')]))
  const { prompt, completion } = lengthsOf(problems.map(renderProofPrompt), proofs)
  return { prompt, completion: completion === 0 ? USUAL.oak.completion : completion }
}

/** The same of pairs, exact where they have the ids that were sampled. */
export function pairLengths(pairs: readonly PreferencePair[]): Plan['lengths'] {
  const usual = ({ length }: string): number => length / CHARACTERS.usual
  const sides = pairs.flatMap(({ chosen, rejected, chosen_ids: c, rejected_ids: r }) => [
    c?.length ?? usual(chosen),
    r?.length ?? usual(rejected),
  ])
  const prompts = pairs.map(({ prompt, prompt_tokens: tokens }) => tokens ?? usual(prompt))
  return { prompt: Math.ceil(mean(prompts)), completion: Math.ceil(mean(sides)) }
}

export function plannedPairs(pairs: readonly PreferencePair[]): PlannedPairs {
  const completions = new Map<string, Set<string>>()
  for (const { prompt, chosen, rejected, chosen_ids: better, rejected_ids: worse } of pairs) {
    const known = completions.get(prompt) ?? new Set()
    completions.set(prompt, known.add(better?.join() ?? chosen).add(worse?.join() ?? rejected))
  }
  const sizes = Array.from(completions.values(), ({ size }) => size)
  return {
    questions: sizes.length,
    pairs: pairs.length,
    completions: sizes.reduce((sum, size) => sum + size, 0),
    completionsOfOne: Math.max(0, ...sizes),
    known: true,
  }
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}
