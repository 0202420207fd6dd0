import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MetricsWriter } from '../../src/runs/metrics.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-'))
  path = join(folder, 'metrics.jsonl')
})
afterEach(() => rm(folder, { recursive: true }))

async function writeSteps(afterStep: number, until: number): Promise<void> {
  await using metrics = await MetricsWriter.open(path, { afterStep })
  for (let step = afterStep + 1; step <= until; step++) await metrics.write({ step, loss: 1 / step })
}

const steps = async (): Promise<number[]> =>
  (await readFile(path, 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => Number(/"step":(\d+)/.exec(line)?.[1]))

test('rows behind the checkpoint are cut, so that no step is there twice', async () => {
  await writeSteps(0, 7)
  await writeSteps(4, 9)
  expect(await steps()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
  await writeSteps(0, 2)
  expect(await steps()).toEqual([1, 2])
})

test('a loss that is no number is refused, not stored as null', async () => {
  await using metrics = await MetricsWriter.open(path, { afterStep: 0 })
  await expect(metrics.write({ step: 1, loss: Number.NaN })).rejects.toThrow('loss: the number NaN')
})
