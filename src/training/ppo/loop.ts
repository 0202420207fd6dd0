import { join } from 'node:path'
import * as z from 'zod'
import type { PolicyRef, Score, TrainingScore, TrainingSession, Trajectory } from '../../backends/backend.ts'
import type { StageContext } from '../../backends/context.ts'
import { scoreAll } from '../../backends/score-all.ts'
import { answersEach, type PpoConfig } from '../../config/ppo.ts'
import { ElenchusError, throwIfCancelled } from '../../errors.ts'
import type { ArithmeticQuestion } from '../../problems/arithmetic/question.ts'
import { MetricsWriter } from '../../runs/metrics.ts'
import { restoreNewest, saveCheckpoint } from '../checkpoints.ts'
import { experienceOf, type ScoredAnswer } from './experience.ts'
import { nextKlCoef } from './kl-control.ts'
import { iterationMetrics, meanKl, type IterationMetrics } from './metrics.ts'
import { sampleGroups } from './sample.ts'
import { updatePolicy } from './update.ts'

export interface PpoLoop {
  readonly context: StageContext
  readonly stage: string
  readonly dir: string
  readonly session: TrainingSession
  readonly config: PpoConfig
  readonly seed: number
  readonly questions: readonly ArithmeticQuestion[]
  /** What the KL divergence is measured from; null where there is nothing frozen. */
  readonly reference: PolicyRef | null
  readonly dtype: string | undefined
}

/** All that an iteration needs to know of those before it; travels in checkpoints. */
const stateSchema = z.object({
  iteration: z.number(),
  /** Questions asked. */
  questions: z.number(),
  /** Optimiser steps. */
  step: z.number(),
  kl_coef: z.number(),
  stopped_early: z.number(),
  groups_without_variance: z.number(),
  /** Questions that left no room for an answer. */
  questions_too_long: z.number(),
  seconds: z.number(),
  first: z.custom<IterationMetrics>((value) => typeof value === 'object').nullable(),
  last: z.custom<IterationMetrics>((value) => typeof value === 'object').nullable(),
})
type State = z.infer<typeof stateSchema>

export interface PpoOutcome {
  readonly iterations: number
  readonly questions: number
  readonly optimizer_steps: number
  readonly stopped_early: number
  readonly groups_without_variance: number
  readonly questions_too_long: number
  readonly first: IterationMetrics
  readonly last: IterationMetrics
  readonly seconds: number
}

/** Iterations until `n_samples` questions have been asked; continues from the newest checkpoint. */
export async function runPpoLoop(loop: PpoLoop): Promise<PpoOutcome> {
  const { context, session, config, stage } = loop
  let state = await restore(loop)
  await using metrics = await MetricsWriter.open(join(loop.dir, 'metrics.jsonl'), {
    afterStep: state.iteration,
  })
  while (state.questions < config.n_samples) {
    throwIfCancelled(context.signal, 'Training')
    const before = state
    state = await iterate(loop, state)
    const { last } = state
    if (last !== null && state.iteration > before.iteration) {
      await metrics.write({ stage, ...last })
      const metric = { name: 'reward', value: last.reward }
      context.events({
        type: 'progress',
        stage,
        done: state.questions,
        total: config.n_samples,
        unit: 'questions',
        metric,
      })
    }
    const due = config.save_every > 0 && passes(before.questions, state.questions, config.save_every)
    if (due && state.questions < config.n_samples) {
      // First the rows, then the checkpoint that stands behind them: none of them can be lost.
      await metrics.flush()
      await saveCheckpoint(session, loop.dir, state.questions, state, config.keep_checkpoints)
    }
  }
  const { first, last, iteration, step, kl_coef: _, ...totals } = state
  if (first === null || last === null) {
    throw new ElenchusError(
      'prompt_too_long',
      `${stage}: none of the ${state.questions} questions leaves room for an answer.`,
    )
  }
  return { ...totals, iterations: iteration, optimizer_steps: step, first, last }
}

async function iterate(loop: PpoLoop, state: State): Promise<State> {
  const { session, config, seed } = loop
  const began = performance.now()
  const iteration = state.iteration + 1
  const questions = Math.min(state.questions + config.batch_size, config.n_samples)
  const groupSize = answersEach(config)
  const sampling = { config, groupSize, questions: loop.questions, seed, signal: loop.context.signal }
  const { groups: sampled, tooLong } = await sampleGroups(session, sampling, state.questions, questions)
  warnOfTooLong(loop, tooLong)
  const questions_too_long = state.questions_too_long + tooLong.length
  if (sampled.length === 0) return { ...state, questions, questions_too_long }
  const trajectories = sampled.flat().map(({ trajectory }) => trajectory)
  const { old, reference } = await scoreTwice(loop, trajectories)
  const answers = sampled.flat().map((answer, index): ScoredAnswer => {
    return { answer, old: old[index]!, reference: reference?.[index] ?? null }
  })
  const groups = sampled.map((_, index) => answers.slice(index * groupSize, (index + 1) * groupSize))
  const experience = experienceOf(groups, config, state.kl_coef)
  const update = await updatePolicy({
    session,
    config,
    samples: experience.samples,
    iteration,
    step: state.step,
    klCoef: state.kl_coef,
    maxLength: Math.max(...answers.map(({ answer }) => answer.promptTokens + answer.trajectory.ids.length)),
    dtype: loop.dtype,
    seed,
    signal: loop.context.signal,
  })
  const seconds = (performance.now() - began) / 1000
  const klCoef = state.kl_coef
  const last = iterationMetrics({
    iteration,
    questions,
    answers,
    experience,
    update,
    klCoef,
    config,
    seconds,
  })
  return {
    iteration,
    questions,
    step: update.step,
    kl_coef: nextKlCoef(klCoef, meanKl(answers) ?? 0, answers.length, {
      target: config.kl_target,
      horizon: config.kl_horizon,
    }),
    stopped_early: state.stopped_early + (update.stoppedEarly ? 1 : 0),
    groups_without_variance: state.groups_without_variance + experience.uniformGroups,
    questions_too_long,
    seconds: state.seconds + seconds,
    first: state.first ?? last,
    last,
  }
}

function warnOfTooLong({ context, stage }: PpoLoop, tooLong: readonly string[]): void {
  if (tooLong.length === 0) return
  const message = `Left out, because the model has no room for an answer to them: ${tooLong.join(', ')}.`
  context.events({ type: 'warning', stage, message })
}

/**
 * What the policy and what its frozen start say of the same answers. Both are asked for at once: a worker that has done
 * its part of the one goes on with the other. Nothing is under way any more when it fails.
 */
async function scoreTwice(
  { context, reference: policy, session, config, stage }: PpoLoop,
  trajectories: readonly Trajectory[],
): Promise<{ readonly old: readonly TrainingScore[]; readonly reference: readonly Score[] | null }> {
  const { temperature } = config
  const failed = new AbortController()
  const signal = context.signal ? AbortSignal.any([context.signal, failed.signal]) : failed.signal
  // The old log-probabilities come from the kernel that trains: the engine's may differ by more than rounding.
  const old = session.score(trajectories, temperature)
  const reference =
    policy === null ? null : scoreAll({ ...context, signal }, stage, trajectories, { policy, temperature })
  old.catch((error: unknown) => failed.abort(error))
  await Promise.allSettled([old, reference])
  return { old: await old, reference: await reference }
}

async function restore({ context, stage, dir, session, config }: PpoLoop): Promise<State> {
  const from = { session, dir, stage, events: context.events }
  const found = await restoreNewest(from, (number, { step, cursor }) => {
    const state = stateSchema.safeParse(cursor)
    return state.data?.questions === number && state.data.step === step ? state.data : undefined
  })
  return (
    found ?? {
      iteration: 0,
      questions: 0,
      step: 0,
      kl_coef: config.kl_coef,
      stopped_early: 0,
      groups_without_variance: 0,
      questions_too_long: 0,
      seconds: 0,
      first: null,
      last: null,
    }
  )
}

/** Whether a multiple of `every` lies in (before, after]. */
function passes(before: number, after: number, every: number): boolean {
  return Math.floor(after / every) > Math.floor(before / every)
}
