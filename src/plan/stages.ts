import type { AbelConfig } from '../config/abel.ts'
import { answersEach } from '../config/ppo.ts'
import type { OakConfig } from '../config/oak.ts'
import type { DpoConfig, OptimisationConfig } from '../config/training.ts'
import {
  generationMemory,
  reinforcementMemory,
  slotsOf,
  trainingMemory,
  type Device,
  type Memory,
  type Trained,
  type TrainingLoad,
} from './memory.ts'
import type { Shape } from './shape.ts'
import { generationSeconds, trainingSeconds, type Speed } from './time.ts'

/** What would run, and an estimate of what it takes. */
export interface PlannedStage {
  readonly stage: string
  /** In its own units: "1,500 problems x 4 samples". */
  readonly work: string
  /** Of the fullest device; null where no model is involved or its shape is unknown. */
  readonly memory: Memory | null
  readonly seconds: number | null
}

/** What the texts are assumed to be like, in tokens; printed with the plan. */
export interface Lengths {
  readonly prompt: number
  readonly completion: number
}

/** What all stages of a plan have in common. */
export interface Setting {
  /** Null if nothing is known of the model; then only the work is planned. */
  readonly shape: Shape | null
  readonly device: Device
  readonly speed: Speed
  readonly devices: number
  /** Whether they share the optimiser of all weights (`backend.sharding: fsdp2`). */
  readonly sharded?: boolean
  readonly lengths: Lengths
}

export interface Placement extends Setting {
  /** Problems or questions in the sources, by name. */
  readonly counts: { readonly sft?: number; readonly train: number; readonly heldOut: number }
}

export function planOak(config: OakConfig, placement: Placement): PlannedStage[] {
  const plan = planner(placement)
  const { counts } = placement
  const rank = config.sft.lora?.rank ?? config.dpo.lora.rank
  const evaluation = (name: string): PlannedStage =>
    plan.sample(
      name,
      'problems',
      counts.heldOut,
      config.evaluation.samples_per_problem,
      config.evaluation,
      rank,
    )
  const stages = tinyStages(config.model, plan)
  stages.push(
    plan.train('sft', 'demonstrations', counts.sft ?? counts.train, config.sft, config.sft.lora),
    evaluation('evaluation/iter0'),
  )
  const problems = Math.min(config.traces.num_problems ?? counts.train, counts.train)
  const samples = config.traces.samples_per_problem
  const combinations = config.preferences.mode === 'best-vs-rest' ? samples - 1 : pairsAmong(samples)
  const pairs = Math.min(config.preferences.max_pairs_per_problem, combinations)
  for (let iteration = 1; iteration <= config.iterations; iteration++) {
    stages.push(
      plan.sample(`iter${iteration}/traces`, 'problems', problems, samples, config.traces, rank),
      plan.dpo(`iter${iteration}/dpo`, mostPairs(problems, samples, pairs), config.dpo),
      evaluation(`evaluation/iter${iteration}`),
    )
  }
  return stages
}

export function planAbel(config: AbelConfig, placement: Placement): PlannedStage[] {
  const plan = planner(placement)
  const { counts } = placement
  const { ppo, rollouts, dpo } = config
  const rank = ppo.lora?.rank ?? dpo.lora.rank
  const evaluation = (name: string): PlannedStage =>
    plan.sample(
      name,
      'questions',
      counts.heldOut,
      1 + config.evaluation.coherence_samples,
      config.evaluation,
      rank,
    )
  const stages = tinyStages(config.model, plan)
  const answers = answersEach(ppo)
  const questions = Math.min(rollouts.n_samples ?? counts.train, counts.train)
  // Right against wrong, and right against right: any two of a question's answers but two wrong ones.
  const pairs = Math.min(config.preferences.max_pairs_per_question, pairsAmong(rollouts.arms))
  stages.push(
    evaluation('evaluation/base'),
    plan.ppo('ppo', ppo.n_samples, answers, ppo),
    evaluation('evaluation/ppo'),
    plan.sample('rollouts', 'questions', questions, rollouts.arms, rollouts, rank),
    { stage: 'preferences', work: `pairs of ${count(questions)} questions`, memory: null, seconds: 0 },
    plan.dpo('dpo', mostPairs(questions, rollouts.arms, pairs), dpo),
    evaluation('evaluation/dpo'),
  )
  return stages
}

function pairsAmong(completions: number): number {
  return (completions * (completions - 1)) / 2
}

/** What DPO trains on. */
export interface PlannedPairs {
  readonly questions: number
  readonly pairs: number
  /** Distinct ones: each is scored once. */
  readonly completions: number
  /** Of the question that has most of them. */
  readonly completionsOfOne: number
  /** Otherwise they are the most that may come. */
  readonly known: boolean
}

/** Pairs are not known before the traces are: the most that may come, which is seldom reached. */
function mostPairs(questions: number, completions: number, pairsEach: number): PlannedPairs {
  const ofOne = Math.min(completions, 2 * pairsEach)
  return {
    questions,
    pairs: questions * pairsEach,
    completions: questions * ofOne,
    completionsOfOne: ofOne,
    known: false,
  }
}

/** Optimiser steps as the stages count them (`training/batches.ts`): an epoch's last batch may be smaller. */
function stepsOver(
  items: number,
  batch: number,
  { num_epochs: epochs, max_steps: most }: Pick<OptimisationConfig, 'num_epochs' | 'max_steps'>,
): number {
  return most ?? Math.max(1, Math.ceil(Math.ceil(items / batch) * epochs))
}

/** What a training stage reads, with its batch as all workers together take it. */
interface ReadLoad {
  /** Of the rank that has most of a batch. */
  readonly batchTokens: number
  /** Of all steps and ranks. */
  readonly tokens: number
  readonly scored: number
  /** Completions that share a prompt. */
  readonly perPrompt: number
}

function tinyStages(model: OakConfig['model'], plan: Planner): PlannedStage[] {
  if (!('tiny' in model)) return []
  const { drill, pretraining } = model.tiny
  return [
    ...(drill === undefined
      ? []
      : [{ stage: 'base/drill', work: `${drill.steps} steps`, memory: null, seconds: null }]),
    plan.train(
      'base/pretraining',
      'demonstrations',
      pretraining.problems,
      pretraining.training,
      pretraining.training.lora,
    ),
  ]
}

export type Planner = ReturnType<typeof planner>

/** Plans stages one by one, with the same estimates as those of a pipeline. */
export function planner({ shape, speed, devices, lengths, sharded = false, ...placement }: Setting) {
  const device = { ...placement.device, memoryBytes: speed.memoryBytes }
  const trained = (lora: { readonly rank: number } | null): Trained =>
    lora === null ? 'all' : { rank: lora.rank }
  const perSample = lengths.prompt + lengths.completion
  /** Of things dealt out to the devices, the most that one has. */
  const share = (things: number): number => Math.ceil(things / devices)

  function training(
    config: Pick<OptimisationConfig, 'micro_batch_tokens' | 'gradient_checkpointing'> & {
      readonly max_length?: number
    },
    lora: { readonly rank: number } | null,
    load: ReadLoad,
  ): Pick<PlannedStage, 'memory' | 'seconds'> {
    if (shape === null) return { memory: null, seconds: null }
    const weights = trained(lora)
    const memory = trainingMemory(shape, device, { ...trainingLoad(config, lora, load), entropies: false })
    return { memory, seconds: trainingSeconds(shape, speed, { ...load, all: weights === 'all', devices }) }
  }

  function trainingLoad(
    config: Pick<OptimisationConfig, 'micro_batch_tokens' | 'gradient_checkpointing'>,
    lora: { readonly rank: number } | null,
    load: Omit<ReadLoad, 'tokens'>,
  ): Omit<TrainingLoad, 'entropies'> {
    const { prompt, completion } = lengths
    const each = load.perPrompt
    const read = prompt + each * completion
    return {
      trained: trained(lora),
      batchTokens: load.batchTokens,
      microBatchTokens: config.micro_batch_tokens,
      checkpointing: config.gradient_checkpointing,
      targetShare: (each * completion) / read,
      longest: perSample,
      attended: (each * perSample) / read,
      reference: load.scored > 0,
      shards: sharded ? devices : 1,
    }
  }

  /** What a step of so many pairs reads: questions, the tokens of each, and completions that share a prompt. */
  function stepOf(given: PlannedPairs, batch: number, batching: DpoConfig['batching']) {
    const of = (questions: number, perPrompt: number) => ({
      questions,
      perPrompt,
      each: lengths.prompt + perPrompt * lengths.completion,
    })
    // Pairs of a question seldom meet: each is read with two completions of its own.
    const apart = of(batch, 2)
    if (batching === 'pairs') return apart
    const pairsEach = given.pairs / Math.max(1, given.questions)
    // Where a step's pairs are not those of whole questions, one is torn at either end.
    const torn = batch % pairsEach === 0 ? 0 : 1
    const together = of(batch / pairsEach + torn, given.completions / Math.max(1, given.questions))
    return together.questions * together.each < apart.questions * apart.each ? together : apart
  }

  return {
    sample(
      stage: string,
      unit: string,
      items: number,
      samples: number,
      config: { readonly max_new_tokens: number },
      adapterRank: number | null,
    ): PlannedStage {
      const work = `${count(items)} ${unit}${samples === 1 ? '' : ` x ${samples} samples`}`
      if (shape === null) return { stage, work, memory: null, seconds: null }
      const promptTokens = lengths.prompt
      const load = {
        promptTokens,
        // Samples of a prompt stay together.
        sequences: share(items) * samples,
        newTokens: config.max_new_tokens,
        samples,
        adapterRank,
      }
      const memory = generationMemory(shape, device, load)
      const times = {
        promptTokens,
        sequences: items * samples,
        newTokens: lengths.completion,
        prompts: items,
        slots: slotsOf(shape, device, load),
        bytes: device.bytes,
        devices,
      }
      return { stage, work, memory, seconds: generationSeconds(shape, speed, times) }
    },
    train(
      stage: string,
      unit: string,
      items: number,
      config: OptimisationConfig,
      lora: { readonly rank: number } | null,
    ): PlannedStage {
      const batch = config.batch_size * config.gradient_accumulation_steps
      const steps = stepsOver(items, batch, config)
      const work = `${count(steps)} steps of ${batch} ${unit}`
      const load = {
        batchTokens: share(batch) * perSample,
        tokens: steps * batch * perSample,
        scored: 0,
        perPrompt: 1,
      }
      return { stage, work, ...training(config, lora, load) }
    },
    dpo(stage: string, given: PlannedPairs, config: DpoConfig): PlannedStage {
      const batch = config.batch_size * config.gradient_accumulation_steps
      const steps = stepsOver(given.pairs, batch, config)
      const known = given.known || config.max_steps !== undefined
      const work = `${known ? '' : 'at most '}${count(steps)} steps of ${batch} pairs`
      const { questions, each, perPrompt } = stepOf(given, batch, config.batching)
      // A question's pairs are never on two ranks.
      const ofOne = lengths.prompt + Math.min(given.completionsOfOne, 2 * batch) * lengths.completion
      const load = {
        batchTokens: Math.max(share(questions) * each, ofOne),
        tokens: steps * questions * each,
        scored: given.completions * lengths.completion,
        perPrompt,
      }
      return { stage, work, ...training(config, config.lora, load) }
    },
    ppo(stage: string, questions: number, answers: number, config: AbelConfig['ppo']): PlannedStage {
      const iterations = Math.ceil(questions / config.batch_size)
      const work = `${count(iterations)} iterations of ${config.batch_size} questions x ${answers} answers`
      const samples = questions * answers
      // Answers are dealt to the ranks one by one; those of a question that meet on one share its prompt there.
      const rows = share(Math.min(config.mini_batch_size, config.batch_size * answers))
      const each = Math.min(answers, rows)
      const perPrompt = lengths.prompt + each * lengths.completion
      const load = {
        batchTokens: (rows / each) * perPrompt,
        tokens: ((samples * config.num_epochs) / each) * perPrompt,
        scored: 2 * samples * perSample,
        perPrompt: each,
      }
      const { seconds } = training(config, config.lora, load)
      const sampling = this.sample(
        stage,
        'questions',
        config.batch_size,
        answers,
        config,
        config.lora?.rank ?? 0,
      )
      if (shape === null || seconds === null) return { stage, work, memory: null, seconds: null }
      const memory = reinforcementMemory(
        shape,
        device,
        {
          sequences: share(config.batch_size) * answers,
          promptTokens: lengths.prompt,
          newTokens: config.max_new_tokens,
          samples: answers,
        },
        trainingLoad(config, config.lora, load),
      )
      return { stage, work, memory, seconds: seconds + iterations * (sampling.seconds ?? 0) }
    },
  }
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}
