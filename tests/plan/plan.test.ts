import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig, parseOverride } from '../../src/config/load.ts'
import { pipelineSchema } from '../../src/config/pipeline.ts'
import { planConfig } from '../../src/pipelines/plan-config.ts'
import {
  cacheBytesPerToken,
  generationMemory,
  reinforcementMemory,
  RUNTIME,
  slotsOf,
  trainingMemory,
  type Device,
  type Trained,
} from '../../src/plan/memory.ts'
import {
  adapterParameters,
  KNOWN_SHAPES,
  parameters,
  shapeOfConfig,
  type Shape,
} from '../../src/plan/shape.ts'
import { totalSteps } from '../../src/training/batches.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const shapeOf = (name: string): Shape => {
  const shape = KNOWN_SHAPES[name]
  if (shape === undefined) throw new Error(`${name} is not known`)
  return shape
}
const MISTRAL = shapeOf('mistralai/Mistral-7B-v0.1')
const GPU = { kind: 'gpu', bytes: 2 } as const

describe('shapes', () => {
  test('parameters of published models', () => {
    // Their model cards: 7,241,732,096; and 8.19 billion for Qwen3-8B.
    expect(parameters(MISTRAL)).toBe(7_241_732_096)
    expect(parameters(shapeOf('Qwen/Qwen3-8B')) / 1e9).toBeCloseTo(8.19, 2)
    // PEFT prints 41,943,040 trainable parameters for rank 16 on all linear layers of Mistral-7B.
    expect(adapterParameters(MISTRAL, 16)).toBe(41_943_040)
    expect(cacheBytesPerToken(MISTRAL, 2)).toBe(131_072)
  })

  test('of a config.json, and of something else', () => {
    const config = {
      num_hidden_layers: 2,
      hidden_size: 8,
      num_attention_heads: 2,
      intermediate_size: 16,
      vocab_size: 10,
    }
    expect(shapeOfConfig(config)).toMatchObject({ kvHeads: 2, headDim: 4, tied: false })
    expect(shapeOfConfig({ model_type: 'other' })).toBeNull()
  })
})

describe('memory', () => {
  const step = {
    batchTokens: 40_000,
    microBatchTokens: 8192,
    targetShare: 0.5,
    longest: 400,
    attended: 1,
    reference: false,
    entropies: false,
  }

  test('7B weights, adapter and optimiser in one copy', () => {
    const memory = trainingMemory(MISTRAL, GPU, { ...step, trained: { rank: 16 }, checkpointing: false })
    expect(memory.weights).toBe(2 * 7_241_732_096)
    expect(memory.adapters + memory.gradients + memory.optimizer).toBe(16 * 41_943_040)
  })

  test('FSDP2 deals the optimiser of all weights to the ranks, and adds their part of the rest', () => {
    const peak = (trained: Trained, shards: number) =>
      trainingMemory(MISTRAL, GPU, { ...step, trained, checkpointing: true, shards })
    const [one, eight] = [peak('all', 1), peak('all', 8)]
    expect(eight.optimizer).toBe(one.optimizer / 8)
    expect(eight.gradients / one.gradients).toBeCloseTo(1 + 1 / 8)
    expect(eight.weights / one.weights).toBeCloseTo(1 + 1 / 8)
    expect(eight.total).toBeLessThan(one.total)
    // An adapter is small: every rank has all of it.
    expect(peak({ rank: 16 }, 8)).toEqual(peak({ rank: 16 }, 1))
  })

  test('checkpointing and smaller micro-batches are what helps', () => {
    const peak = (microBatchTokens: number, checkpointing: boolean): number =>
      trainingMemory(MISTRAL, GPU, { ...step, microBatchTokens, trained: { rank: 16 }, checkpointing }).total
    expect(peak(4096, false)).toBeLessThan(peak(8192, false))
    expect(peak(8192, true)).toBeLessThan(peak(8192, false) / 2)
  })

  test('PPO keeps its optimiser while it samples, and is as high as the higher of the two', () => {
    const trained = { rank: 16 }
    const sampling = { sequences: 512, promptTokens: 150, newTokens: 250, samples: 4 }
    const load = { ...step, trained, checkpointing: false }
    const drawing = generationMemory(MISTRAL, GPU, { ...sampling, adapterRank: 16 })
    const small = { ...load, batchTokens: 400, microBatchTokens: 400 }
    const sampled = reinforcementMemory(MISTRAL, GPU, sampling, small)
    expect(sampled.total).toBe(drawing.total + 2 * 4 * adapterParameters(MISTRAL, 16))
    const stepped = trainingMemory(MISTRAL, GPU, { ...load, entropies: true })
    expect(reinforcementMemory(MISTRAL, GPU, { ...sampling, sequences: 8 }, load)).toEqual(stepped)
  })

  test('the engine takes fewer slots where their caches would not fit', () => {
    const load = { sequences: 2000, promptTokens: 200, newTokens: 2048, samples: 1, adapterRank: null }
    const card = { ...GPU, memoryBytes: 80 * 2 ** 30 }
    expect(slotsOf(MISTRAL, GPU, load)).toBe(512)
    expect(slotsOf(MISTRAL, card, load)).toBeLessThan(200)
    const { total, cache } = generationMemory(MISTRAL, card, load)
    expect(total).toBeLessThan(card.memoryBytes)
    expect(cache).toBeGreaterThan(0.5 * (card.memoryBytes - 2 * parameters(MISTRAL)))
  })

  test('samples of a prompt share what was read of it', () => {
    const cache = (samples: number): number =>
      generationMemory(MISTRAL, GPU, {
        sequences: 512,
        promptTokens: 512,
        newTokens: 128,
        samples,
        adapterRank: null,
      }).cache
    // 512 slots of 128 own positions each; prompts in a table of 3 x 64 rows, and 64 times as read.
    expect(cache(8)).toBe((512 * 128 + (192 + 64) * 512) * 131_072)
    expect(cache(1)).toBeGreaterThan(2 * cache(8))
  })

  test('slots are as many as their rounded caches leave room for', () => {
    const load = { sequences: 2000, promptTokens: 100, newTokens: 129, samples: 8, adapterRank: null }
    const card = { ...GPU, memoryBytes: 30 * 2 ** 30 }
    const slots = slotsOf(MISTRAL, card, load)
    expect(slots).toBeLessThan(512)
    // 129 new tokens take 256 places; 3/8 of the 104 that a prompt of 100 takes.
    const free = card.memoryBytes - 2 * parameters(MISTRAL) - 1200 * 2 ** 20
    expect(slots).toBe(Math.floor((0.6 * free) / ((256 + 39) * 131_072)))
  })

  test('logits are fp32 whatever the weights are; their slopes are as precise as the weights', () => {
    const full = { ...GPU, bytes: 4 } as const
    const load = { sequences: 64, promptTokens: 100, newTokens: 100, samples: 8, adapterRank: null }
    const sampled = (device: Device): number => generationMemory(MISTRAL, device, load).logits
    expect(sampled(GPU)).toBe(sampled(full))
    const states = (bytes: number): number => 4096 * MISTRAL.hidden * 3 * bytes
    const trained = (device: Device): number =>
      trainingMemory(MISTRAL, device, { ...step, trained: { rank: 16 }, checkpointing: false }).logits
    const elements = (trained(full) - states(4)) / 4
    expect(trained(GPU)).toBe(elements * 6 + states(2))
  })

  test('more sequences than slots need no more memory', () => {
    const peak = (sequences: number): number =>
      generationMemory(MISTRAL, GPU, {
        sequences,
        promptTokens: 150,
        newTokens: 250,
        samples: 8,
        adapterRank: 16,
      }).total
    expect(peak(100)).toBeLessThan(peak(1000))
    expect(peak(1000)).toBe(peak(5000))
  })
})

test('the constants are those of py-runtime', () => {
  const folder = join(ROOT, 'py-runtime/elenchus_runtime')
  const runtime = readdirSync(folder)
    .filter((name) => name.endsWith('.py'))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('')
  expect(runtime).toContain(`CPU_SLOTS = ${RUNTIME.cpuSlots}\n`)
  expect(runtime).toContain(`ACCELERATOR_SLOTS = ${RUNTIME.gpuSlots}\n`)
  expect(runtime).toContain(`CPU_GRAIN = Grain(slots=1, prompts=1, span=${RUNTIME.cpuSpan},`)
  expect(runtime).toContain(`span=${RUNTIME.gpuSpan}, all_prompt=True)\n`)
  expect(runtime).toContain(`CPU_CACHE_BYTES = ${RUNTIME.cpuCacheBytes / 2 ** 30} << 30\n`)
  expect(runtime).toContain(`ACCELERATOR_CACHE_SHARE = ${RUNTIME.gpuCacheShare}\n`)
  expect(runtime).toContain(`WIDTH = ${RUNTIME.promptWidth}\n`)
  expect(runtime).toContain(`\nROOM = ${RUNTIME.promptRoom}\n`)
  expect(runtime).toContain(`PROMPT_STEP = ${RUNTIME.promptStep}\n`)
  expect(runtime).toContain(`PACKED_BYTES = ${RUNTIME.packedBytes / 2 ** 20} << 20\n`)
  expect(runtime).toContain('PREFILL_TOKENS = 16_384\n')
  expect(RUNTIME.prefillTokens).toBe(16_384)
  expect(runtime).toContain(`CPU_FORWARD_TOKENS = ${RUNTIME.cpuForwardTokens}\n`)
  expect(runtime).toContain(`CPU_SLICE_ELEMENTS = 1 << ${Math.log2(RUNTIME.cpuSliceElements)}\n`)
  expect(runtime).toContain(`ACCELERATOR_SLICE_ELEMENTS = 1 << ${Math.log2(RUNTIME.gpuSliceElements)}\n`)
})

test('a configuration that shards needs less on each of several devices', async () => {
  const peak = async (sharding: string): Promise<number> => {
    const sets = ['sft.lora=null', 'backend.gpus=[0,1,2,3]', `backend.sharding=${sharding}`].map(
      parseOverride,
    )
    const { stages } = await planConfig(
      await loadConfig(join(ROOT, 'configs/oak.yaml'), pipelineSchema, sets),
    )
    return stages.find(({ stage }) => stage === 'sft')?.memory?.total ?? 0
  }
  const [whole, sharded] = [await peak('none'), await peak('fsdp2')]
  expect(sharded).toBeGreaterThan(0)
  expect(sharded).toBeLessThan(whole)
})

describe('a plan', () => {
  const plan = async (name: string, ...sets: string[]) =>
    planConfig(await loadConfig(join(ROOT, `configs/${name}.yaml`), pipelineSchema, sets.map(parseOverride)))

  test.each(['oak', 'abel', 'tiny.oak', 'tiny.abel'])(
    'of configs/%s.yaml names its stages in order',
    async (name) => {
      const { stages } = await plan(name)
      const order = stages.map(({ stage }) => stage).filter((stage) => !stage.startsWith('base/'))
      expect(order).toEqual(
        name.endsWith('oak')
          ? [
              'sft',
              'evaluation/iter0',
              'iter1/traces',
              'iter1/dpo',
              'evaluation/iter1',
              'iter2/traces',
              'iter2/dpo',
              'evaluation/iter2',
            ]
          : ['evaluation/base', 'ppo', 'evaluation/ppo', 'rollouts', 'preferences', 'dpo', 'evaluation/dpo'],
      )
    },
  )

  test('a batch is shared by the devices, not multiplied by them', async () => {
    const dpo = async (gpus: string) =>
      (await plan('abel', `backend.gpus=${gpus}`)).stages.find(({ stage }) => stage === 'dpo')
    const [one, eight] = [await dpo('[0]'), await dpo('[0,1,2,3,4,5,6,7]')]
    // 500 questions x min(16, 8 x 7 / 2) pairs: 32 in a step, as 4 x 8 is set, on however many devices.
    expect(one?.work).toBe('at most 250 steps of 32 pairs')
    expect(eight?.work).toBe(one?.work)
    expect(eight?.memory?.total).toBeLessThan(one?.memory?.total ?? 0)
    expect((eight?.seconds ?? 0) * 8).toBeCloseTo(one?.seconds ?? 0)
  })

  test('a step of DPO reads each completion of its questions once, or with batching: pairs two for each pair', async () => {
    const seconds = async (...sets: string[]) =>
      (await plan('abel', 'backend.gpus=[0]', ...sets)).stages.find(({ stage }) => stage === 'dpo')?.seconds
    const [questions, pairs] = [await seconds(), await seconds('dpo.batching=pairs')]
    // 4 N to train, 2 N to score 8 completions of 200 tokens each; prompts of 110.
    const scored = 2 * 8 * 200
    const read = 4 * (110 + 8 * 200)
    expect((questions ?? 0) / (pairs ?? 1)).toBeCloseTo((scored + read) / (scored + 4 * 16 * (110 + 2 * 200)))
    // 24 pairs are one question and a half: one is torn.
    const torn = await seconds('dpo.batch_size=3')
    expect((torn ?? 0) / (pairs ?? 1)).toBeCloseTo(
      (scored + (334 / 500) * 2.5 * read) / (scored + 4 * 16 * (110 + 2 * 200)),
    )
  })

  test('steps of demonstrations are those that SFT takes', async () => {
    // 1,500 are assumed without the files; the last batch of an epoch is smaller.
    const steps = totalSteps(1500, 28, { num_epochs: 1.5 })
    for (const gpus of ['[0]', '[0,1,2,3]']) {
      const { stages } = await plan(
        'oak',
        'sft.batch_size=4',
        'sft.gradient_accumulation_steps=7',
        'sft.num_epochs=1.5',
        `backend.gpus=${gpus}`,
      )
      expect(stages.find(({ stage }) => stage === 'sft')?.work).toBe(`${steps} steps of 28 demonstrations`)
    }
  })

  test.each([
    ['best-vs-rest', 4, 3],
    ['all', 4, 6],
    ['step', 8, 16],
  ])('pairs of mode %s among %i samples: at most %i', async (mode, samples, pairs) => {
    const { stages } = await plan(
      'oak',
      `preferences.mode=${mode}`,
      'preferences.max_pairs_per_problem=16',
      `traces.samples_per_problem=${samples}`,
      'dpo.batch_size=1',
      'dpo.gradient_accumulation_steps=1',
    )
    const steps = (1500 * pairs).toLocaleString('en-US')
    expect(stages.find(({ stage }) => stage === 'iter1/dpo')?.work).toBe(`at most ${steps} steps of 1 pairs`)
  })

  test('more devices are faster, and the samples are counted', async () => {
    const time = async (gpus: string) =>
      (await plan('oak', `backend.gpus=${gpus}`)).stages.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0)
    expect(await time('[0,1,2,3]')).toBeLessThan((await time('[0]')) / 2)
    const { stages } = await plan('oak', 'traces.samples_per_problem=8')
    expect(stages.find(({ stage }) => stage === 'iter1/traces')?.work).toBe('1,500 problems x 8 samples')
  })

  test('of an unknown model says so, and plans the work alone', async () => {
    const { stages, assumptions } = await plan('oak', 'model.path=somebody/something')
    expect(stages.every(({ memory }) => memory === null)).toBe(true)
    expect(assumptions.join()).toContain('nothing is known of somebody/something')
  })
})
