import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runStage } from '../../src/backends/run-stage.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { readRangeFlags } from '../../src/cli/stage-range.ts'
import { loadConfig, parseOverride } from '../../src/config/load.ts'
import { pipelineSchema, type PipelineConfig } from '../../src/config/pipeline.ts'
import { ElenchusError } from '../../src/errors.ts'
import { isEndOfRange, stageGate, stageNames } from '../../src/pipelines/stage-range.ts'

const CONFIGS = resolve(import.meta.dirname, '../../configs')
const OAK = `base/drill base/pretraining sft evaluate/iter0 iter1/traces iter1/dpo evaluate/iter1
  iter2/traces iter2/dpo evaluate/iter2 control/more-sft evaluate/control-more-sft control/careful-sft
  evaluate/control-careful-sft-only evaluate/official-iter0 evaluate/official-last`.split(/\s+/)

let oak: PipelineConfig
let folder: string
beforeAll(async () => {
  const more = parseOverride('data.evaluate_also={official: {count: 3}}')
  oak = await loadConfig(join(CONFIGS, 'tiny.oak.yaml'), pipelineSchema, [more])
  folder = await mkdtemp(join(tmpdir(), 'elenchus-range-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** The stages that begin when none has finished, and why the run ends, if it does. */
function begun(range: { from?: string; until?: string }, finished: readonly string[] = []) {
  const gate = stageGate(oak, range)
  const begins: string[] = []
  for (const name of stageNames(oak)) {
    if (finished.includes(name)) continue
    try {
      gate(name)
    } catch (error) {
      return { begins, error: error as ElenchusError }
    }
    begins.push(name)
  }
  return { begins, error: null }
}

test('the stages of a pipeline, in their order', () => {
  expect(stageNames(oak)).toEqual(OAK)
})

describe('a range', () => {
  test('ends the run behind its last stage, or group of stages', () => {
    const { begins, error } = begun({ until: 'iter1' })
    expect(begins).toEqual(OAK.slice(0, 6))
    expect(isEndOfRange(error)).toBe(true)
    expect(begun({ until: 'evaluate/official-last' })).toEqual({ begins: OAK, error: null })
  })

  test('needs what comes before it', () => {
    const { begins, error } = begun({ from: 'iter2' }, OAK.slice(0, 6))
    expect(begins).toEqual([])
    expect(error?.message).toMatch(/^evaluate\/iter1 comes before iter2, and has not finished in /)
    expect(isEndOfRange(error)).toBe(false)
    expect(begun({ from: 'iter2', until: 'iter2' }, OAK.slice(0, 7)).begins).toEqual(OAK.slice(7, 9))
  })

  test.each([
    [{ from: 'iter3' }, 'There is no stage iter3.'],
    [{ until: 'iter1/trace' }, 'There is no stage iter1/trace. Did you mean iter1/traces?'],
    [{ from: 'evaluate' }, 'Not one after the other are the stages of evaluate.'],
    [{ from: 'iter2', until: 'sft' }, 'iter2 comes after sft: nothing would run.'],
  ])('%j is refused', (range, message) => {
    expect(() => stageGate(oak, range)).toThrow(message)
  })
})

test('--only is both ends, and goes with neither; a beginning implies --resume', () => {
  expect(readRangeFlags(oak, {})).toEqual({ resume: false })
  expect(readRangeFlags(oak, { until: 'sft' })).toMatchObject({ resume: false })
  expect(readRangeFlags(oak, { only: 'sft' })).toMatchObject({ resume: true })
  expect(() => readRangeFlags(oak, { only: 'sft', until: 'sft' })).toThrow('--only is --from and --until')
})

test('a stage that may not begin leaves nothing behind; one that has finished is not asked', async () => {
  const refuse = (): never => {
    throw new ElenchusError('cancelled', 'not this one')
  }
  const context = { backend: createScriptedBackend(() => ''), events: () => undefined, resume: true }
  const spec = { dir: join(folder, 'stage'), stage: 's', config: {}, inputs: {} }
  const run = (more: object) => runStage({ ...context, ...more }, spec, () => Promise.resolve({ value: 1 }))
  await expect(run({ gate: refuse })).rejects.toThrow('not this one')
  expect((await run({})).value).toBe(1)
  expect((await run({ gate: refuse })).value).toBe(1)
})
