import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config/load.ts'
import { pipelineSchema } from '../../src/config/pipeline.ts'
import { starterConfig, templateOf, type Wishes } from '../../src/config/starter.ts'

const ROOT = resolve(import.meta.dirname, '../..')

async function start(wishes: Wishes): Promise<{ text: string; config: unknown }> {
  const text = starterConfig(await readFile(join(ROOT, templateOf(wishes)), 'utf8'), wishes, 'x.json')
  return { text, config: parseConfig(text, 'x.yaml', pipelineSchema) }
}

test.each(['oak', 'abel'] as const)(
  '%s without anything is the tiny pipeline, comments and all',
  async (pipeline) => {
    const { text, config } = await start({ pipeline, gpus: [] })
    const shipped = await readFile(join(ROOT, `configs/tiny.${pipeline}.yaml`), 'utf8')
    expect(config).toEqual(parseConfig(shipped, 'tiny.yaml', pipelineSchema))
    expect(text).toMatch(/^# yaml-language-server: \$schema=x\.json\n# The /)
    for (const comment of shipped.match(/(?<=^ *)# .*$/gm)?.slice(1) ?? []) expect(text).toContain(comment)
  },
)

test('a model, devices and data of one’s own', async () => {
  const { config, text } = await start({
    pipeline: 'oak',
    gpus: [0, 3],
    model: '/models/m',
    trainData: ['a.jsonl'],
    output: 'out/x',
  })
  const [train, held] = [
    { files: ['a.jsonl'], slice: [0, 0.8] },
    { files: ['a.jsonl'], slice: [0.8, 1] },
  ]
  expect(config).toMatchObject({
    output: 'out/x',
    model: { path: '/models/m' },
    backend: { gpus: [0, 3] },
    data: { sft: train, train, held_out: held },
  })
  expect(text).toContain('# The guide says 2-4 samples')
})

test('questions, held out apart; a CPU with a model of its own has no devices', async () => {
  const wishes = {
    pipeline: 'abel',
    gpus: [],
    model: 'm',
    trainData: ['t.jsonl'],
    heldOutData: ['h.jsonl'],
  } as const
  expect((await start(wishes)).config).toMatchObject({
    backend: { gpus: [] },
    data: { train: { files: ['t.jsonl'] }, held_out: { files: ['h.jsonl'] } },
  })
})
