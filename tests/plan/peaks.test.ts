import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { peakOf } from '../../src/plan/peaks.ts'
import { SPEEDS } from '../../src/plan/time.ts'

const BENCH = resolve(import.meta.dirname, '../../py-runtime/bench')

test('a plan and a run take the same peak', () => {
  const gpus = Object.entries(SPEEDS).filter(([name]) => name !== 'cpu')
  expect(gpus.length).toBeGreaterThan(4)
  for (const [, { name, flops }] of gpus) expect(peakOf(`NVIDIA ${name}`, 'bfloat16')).toBe(flops)
})

test('so does the bench of training, by a part of the name', () => {
  const source = readFileSync(join(BENCH, 'training/shapes.py'), 'utf8')
  const [, table = ''] = /^PEAK_FLOPS = \{(.*?)^\}/msu.exec(source) ?? []
  const peaks = Array.from(table.matchAll(/'([^']+)': ([\d.e]+)/gu), ([, name = '', value]) => ({
    name,
    value: Number(value),
  }))
  expect(peaks.length).toBeGreaterThan(4)
  for (const { name, value } of peaks) expect(peakOf(`NVIDIA ${name}`, 'bfloat16')).toBe(value)
  // The first that fits counts, so a longer name must not come behind a part of it.
  for (const [place, { name }] of peaks.entries()) {
    expect(peaks.slice(0, place).filter((before) => name.includes(before.name))).toEqual([])
  }
})

test('both benches know the same Mistral', () => {
  for (const file of ['training/shapes.py', 'generation/shapes.py']) {
    const source = readFileSync(join(BENCH, file), 'utf8')
    expect(source).toMatch(/MistralConfig\(\s*vocab_size=32_032,/u)
  }
})
