import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { BackendConfig } from '../config/backend.ts'
import type { ModelConfig } from '../config/model.ts'
import type { PipelineConfig } from '../config/pipeline.ts'
import { ElenchusError } from '../errors.ts'
import type { Device } from '../plan/memory.ts'
import { KNOWN_SHAPES, shapeOfConfig, type Shape } from '../plan/shape.ts'
import { planAbel, planOak, type Lengths, type PlannedStage } from '../plan/stages.ts'
import { SPEEDS, type Speed } from '../plan/time.ts'
import { renderAbelPrompt } from '../prompts/abel.ts'
import { renderProofPrompt } from '../prompts/proof.ts'
import { annotateProblems } from '../problems/annotate.ts'
import { loadProblemFiles } from './problem-files.ts'
import { loadQuestions } from './question-files.ts'

export interface PlanOptions {
  /** A key of `SPEEDS`; absent: h100 where the configuration names devices, else the CPU. */
  readonly device?: string | undefined
  /** Absent: from the data, or what such texts usually have. */
  readonly promptTokens?: number | undefined
  readonly completionTokens?: number | undefined
}

export interface Plan {
  /** `oak`, `abel`, or the command of a single stage. */
  readonly pipeline: string
  readonly model: string
  readonly devices: number
  readonly device: Speed
  readonly lengths: Lengths
  readonly stages: readonly PlannedStage[]
  /** What had to be assumed, for a person. */
  readonly assumptions: readonly string[]
}

/** Characters per token: of ordinary tokenizers, and of those made on the spot, whose tokens are phrases. */
export const CHARACTERS = { usual: 3.6, tiny: 7 }
/** Where there is no data to look at. */
export const USUAL: Readonly<Record<'oak' | 'abel', Lengths>> = {
  oak: { prompt: 220, completion: 180 },
  abel: { prompt: 110, completion: 200 },
}
/** A vocabulary made on the spot: bytes, special tokens, some phrases. */
const TINY_VOCABULARY = 600

/** What a configuration would do, stage by stage, with estimates of memory and time. Starts nothing. */
export async function planConfig(config: PipelineConfig, options: PlanOptions = {}): Promise<Plan> {
  const assumptions: string[] = []
  const { gpus, num_processes: processes, sharding, engine } = config.backend
  if (engine === 'vllm') {
    assumptions.push(
      'what vLLM samples takes the time of our own engine; its start-ups are not counted, and it takes the share of memory that it is told (--gpu-memory-utilization)',
    )
  }
  const { speed, device } = deviceOf(config.backend, options.device)
  const shape = await shapeOf(config.model, assumptions)
  const data = await sourcesOf(config, assumptions)
  const lengths = {
    prompt: options.promptTokens ?? data.lengths.prompt,
    completion: options.completionTokens ?? data.lengths.completion,
  }
  const devices = processes ?? Math.max(1, gpus.length)
  const sharded = sharding === 'fsdp2'
  const placement = { shape, device, speed, devices, sharded, lengths, counts: data.counts }
  return {
    pipeline: config.pipeline,
    model: 'path' in config.model ? config.model.path : 'a tiny model, made on the spot',
    devices,
    device: speed,
    lengths,
    stages: config.pipeline === 'oak' ? planOak(config, placement) : planAbel(config, placement),
    assumptions,
  }
}

/** What is planned for, and how wide its weights are. @throws ElenchusError `usage` for a device that is not known. */
export function deviceOf(
  { gpus, dtype }: Pick<BackendConfig, 'gpus' | 'dtype'>,
  name: string = gpus.length > 0 ? 'h100' : 'cpu',
): { readonly speed: Speed; readonly device: Device } {
  const speed = SPEEDS[name]
  if (speed === undefined) {
    throw new ElenchusError('usage', `--device ${name}: one of ${Object.keys(SPEEDS).join(', ')}`)
  }
  const kind = name === 'cpu' ? 'cpu' : 'gpu'
  return {
    speed,
    device: { kind, bytes: dtype === 'float32' || (dtype === 'auto' && kind === 'cpu') ? 4 : 2 },
  }
}

export async function shapeOf(model: ModelConfig, assumptions: string[]): Promise<Shape | null> {
  if ('tiny' in model) {
    const { architecture: given } = model.tiny
    assumptions.push(`the tokenizer made on the spot has about ${TINY_VOCABULARY} tokens`)
    return {
      layers: given.num_layers,
      hidden: given.hidden_size,
      heads: given.num_heads,
      kvHeads: given.num_heads,
      headDim: given.head_dim ?? given.hidden_size / given.num_heads,
      intermediate: given.intermediate_size,
      vocabulary: TINY_VOCABULARY,
      tied: given.tie_embeddings,
    }
  }
  const folder = existsSync(model.path) ? model.path : await cachedModel(model.path)
  const shape =
    folder === null ? KNOWN_SHAPES[model.path] : shapeOfConfig(await readConfig(join(folder, 'config.json')))
  if (shape === undefined || shape === null) {
    assumptions.push(
      `nothing is known of ${model.path}: it is no folder, and was never fetched. Memory and time are left out`,
    )
    return null
  }
  return shape
}

async function readConfig(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch {
    return null
  }
}

/** The folder of a hub model that was fetched before. */
async function cachedModel(name: string): Promise<string | null> {
  const home = process.env['HF_HOME'] ?? join(homedir(), '.cache/huggingface')
  const snapshots = join(
    process.env['HF_HUB_CACHE'] ?? join(home, 'hub'),
    `models--${name.replaceAll('/', '--')}`,
    'snapshots',
  )
  const [first] = await readdir(snapshots).catch(() => [])
  return first === undefined ? null : join(snapshots, first)
}

export function goldText(step: { readonly thought: string; readonly action: string }): string {
  return `Thought: ${step.thought}\nAction: ${step.action}\n`
}

interface Sources {
  readonly counts: { readonly sft?: number; readonly train: number; readonly heldOut: number }
  readonly lengths: Lengths
}

async function sourcesOf(config: PipelineConfig, assumptions: string[]): Promise<Sources> {
  const characters = 'tiny' in config.model ? CHARACTERS.tiny : CHARACTERS.usual
  const tokens = (texts: readonly string[]): number | undefined =>
    texts.length === 0
      ? undefined
      : Math.ceil(texts.reduce((sum, { length }) => sum + length, 0) / texts.length / characters)
  const usual = USUAL[config.pipeline]
  const assumed = (what: string, missing: string): void =>
    void assumptions.push(`${missing} cannot be read; ${what}`)
  if (config.pipeline === 'oak') {
    const { data } = config
    const count = async (
      source: typeof data.train,
    ): Promise<{ items: number; problems: Awaited<ReturnType<typeof loadProblemFiles>> }> => {
      if ('count' in source) return { items: source.count, problems: [] }
      try {
        const problems = await loadProblemFiles(source.files)
        const [from, to] = source.slice
        return { items: Math.round(problems.length * (to - from)), problems }
      } catch {
        const items = config.traces.num_problems ?? 1500
        assumed(`${items} problems are assumed`, source.files.join(', '))
        return { items, problems: [] }
      }
    }
    const [sft, train, heldOut] = [await count(data.sft), await count(data.train), await count(data.held_out)]
    const looked = annotateProblems(train.problems.slice(0, 200))
    const gold = looked.flatMap((problem) =>
      problem.gold === undefined ? [] : [problem.gold.map(goldText).join('')],
    )
    return {
      counts: { sft: sft.items, train: train.items, heldOut: heldOut.items },
      lengths: {
        prompt: tokens(looked.map((problem) => renderProofPrompt(problem))) ?? usual.prompt,
        completion: tokens(gold) ?? usual.completion,
      },
    }
  }
  const { data } = config
  const count = async (source: typeof data.train, fallback: number) => {
    if ('count' in source) return { items: source.count, questions: [] }
    try {
      const questions = await loadQuestions(source.files)
      return { items: questions.length, questions }
    } catch {
      assumed(`${fallback} questions are assumed`, source.files.join(', '))
      return { items: fallback, questions: [] }
    }
  }
  const [train, heldOut] = [await count(data.train, 7473), await count(data.held_out, 1209)]
  const looked = train.questions.slice(0, 200)
  return {
    counts: { train: train.items, heldOut: heldOut.items },
    lengths: {
      prompt: tokens(looked.map(({ question }) => renderAbelPrompt(question))) ?? usual.prompt,
      completion: tokens(looked.map(({ answer }) => answer)) ?? usual.completion,
    },
  }
}
