import { describe, expect, test } from 'vitest'
import type { BackendUsage, WorkUsage } from '../../src/backends/backend.ts'
import { peakOf } from '../../src/plan/peaks.ts'
import { throughputIn, throughputOf } from '../../src/backends/throughput.ts'
import { WorkDone } from '../../src/bridge/work-done.ts'

const NONE: WorkUsage = { tokens: 0, flop: 0, seconds: 0 }
const CLOCKS = { startSeconds: 0, requestSeconds: 0, workerSeconds: 0, meanWorkerSeconds: 0 }
const NOTHING = { generated: NONE, trained: NONE, scored: NONE, seconds: 0 }

function usage(work: Partial<BackendUsage['work']>, device: BackendUsage['device']): BackendUsage {
  return { ...CLOCKS, work: { ...NOTHING, ...work }, ...(device !== undefined && { device }) }
}
const H100S = { name: 'NVIDIA H100 80GB HBM3', dtype: 'bfloat16', count: 2 }

describe('the throughput of a stage', () => {
  test('is of what was done within it: tokens per second of all devices, and their share of the peak', () => {
    const before = usage({ generated: { tokens: 100, flop: 1e12, seconds: 3 }, seconds: 3 }, H100S)
    const after = usage(
      {
        generated: { tokens: 40_100, flop: 1e12 + 989e12, seconds: 3 + 5 },
        // LoRA, 7e9 weights: 4N per token.
        trained: { tokens: 100_000, flop: 4 * 7e9 * 100_000, seconds: 4 },
        // For one second, one device sampled while the other one trained.
        seconds: 3 + 8,
      },
      H100S,
    )
    const found = throughputOf(before, after)
    expect(found).toEqual({
      device: 'NVIDIA H100 80GB HBM3',
      devices: 2,
      dtype: 'bfloat16',
      peak_flops: 989e12,
      generated: {
        tokens: 40_000,
        seconds: 5,
        tokens_per_second: 8000,
        flop: 989e12,
        mfu: expect.closeTo(0.1),
      },
      trained: {
        tokens: 100_000,
        seconds: 4,
        tokens_per_second: 25_000,
        flop: 2.8e15,
        mfu: expect.closeTo(0.35389),
      },
      scored: null,
      mfu: expect.closeTo((989e12 + 2.8e15) / (8 * 2 * 989e12)),
    })
    expect(throughputIn({ result: 1, throughput: found })).toEqual(found)
  })

  test('is not flattered by devices that have nothing to do', () => {
    const eight = { ...H100S, count: 8 }
    const sampled = { tokens: 1e6, flop: 1e6 * 2 * 7e9, seconds: 100 }
    const found = throughputOf(usage({}, eight), usage({ generated: sampled, seconds: 100 }, eight))
    expect(found?.generated).toMatchObject({ seconds: 100, tokens_per_second: 10_000 })
    const mfu = (1e6 * 2 * 7e9) / (100 * 8 * 989e12)
    expect(found?.generated?.mfu).toBeCloseTo(mfu, 10)
    expect(found?.mfu).toBeCloseTo(mfu, 10)
  })

  test('knows no share of a peak on a CPU, and says null, not zero', () => {
    const cpu = { name: 'cpu', dtype: 'float32', count: 1 }
    const found = throughputOf({ ...CLOCKS }, usage({ scored: { tokens: 10, flop: 5, seconds: 2 } }, cpu))
    expect(found).toMatchObject({ peak_flops: null, mfu: null, generated: null, trained: null })
    expect(found?.scored).toEqual({ tokens: 10, seconds: 2, tokens_per_second: 5, flop: 5, mfu: null })
  })

  test('is null where nothing was done, and where nobody tells', () => {
    expect(throughputOf(usage({}, H100S), usage({}, H100S))).toBeNull()
    expect(throughputOf(CLOCKS, CLOCKS)).toBeNull()
    expect(throughputIn({ throughput: null })).toBeNull()
    expect(throughputIn({ result: 1 })).toBeNull()
    expect(throughputIn('nothing of ours')).toBeNull()
  })
})

test('work is added up by kind, over the time in which any worker did it', () => {
  const done = new WorkDone()
  expect(done.soFar.seconds).toBe(0)
  done.add({ kind: 'trained', tokens: 5, flop: 50 }, 0, 2)
  // Another worker, at the same time for a second.
  done.add({ kind: 'trained', tokens: 6, flop: 60 }, 1, 4)
  done.add({ kind: 'scored', tokens: 1, flop: 10 }, 3, 5)
  done.add({ kind: 'trained', tokens: 1, flop: 10 }, 9, 10)
  expect(done.soFar).toEqual({
    generated: { tokens: 0, flop: 0, seconds: 0 },
    trained: { tokens: 12, flop: 120, seconds: 5 },
    scored: { tokens: 1, flop: 10, seconds: 2 },
    seconds: 6,
  })
})

test.each([
  ['NVIDIA H100 80GB HBM3', 989e12],
  ['NVIDIA H100 PCIe', 756e12],
  ['NVIDIA H100 NVL', 835e12],
  ['NVIDIA H200', 989e12],
  ['NVIDIA H200 NVL', 835e12],
  ['NVIDIA GH200 480GB', 989e12],
  ['NVIDIA A100-SXM4-80GB', 312e12],
  ['NVIDIA A100 80GB PCIe', 312e12],
  ['NVIDIA L40S', 362e12],
  ['NVIDIA L40', 181e12],
  ['NVIDIA L4', 121e12],
  ['NVIDIA A10', 125e12],
  ['NVIDIA RTX 6000 Ada Generation', 364.2e12],
  ['NVIDIA GeForce RTX 4090', 165.2e12],
  // Another chip, or a part of one: not guessed.
  ['NVIDIA GeForce RTX 4090 Laptop GPU', null],
  ['NVIDIA GeForce RTX 3090 Ti', null],
  ['NVIDIA H100 80GB HBM3 MIG 1g.10gb', null],
  ['NVIDIA A10G', null],
  ['NVIDIA H20', null],
  ['cpu', null],
])('the peak of %s in bf16 is %d FLOP/s', (name, peak) => {
  expect(peakOf(name, 'bfloat16')).toBe(peak)
  expect(peakOf(name, 'float32')).toBeNull()
})
