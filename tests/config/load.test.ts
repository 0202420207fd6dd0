import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { loadConfig, parseConfig, parseOverride } from '../../src/config/load.ts'
import { pipelineSchema } from '../../src/config/pipeline.ts'
import { ElenchusError } from '../../src/errors.ts'

const schema = z.strictObject({
  dpo: z.strictObject({ beta: z.number().positive(), loss: z.enum(['sigmoid', 'ipo']).default('sigmoid') }),
  data: z.union([
    z.strictObject({ files: z.array(z.string()) }),
    z.strictObject({ count: z.number().int() }),
  ]),
})
const good = 'dpo:\n  beta: 0.1\ndata:\n  count: 3\n'

function failure(text: string, overrides: readonly string[] = []): string {
  try {
    parseConfig(text, 'x.yaml', schema, overrides.map(parseOverride))
  } catch (error) {
    if (ElenchusError.is(error)) return `${error.code} ${error.message}`
    throw error
  }
  throw new Error('expected a failure')
}

test('overrides replace values and create missing maps', () => {
  expect(parseConfig(good, 'x.yaml', schema, [parseOverride('dpo.beta=0.5')]).dpo.beta).toBe(0.5)
  expect(parseConfig('data: {count: 1}', 'x.yaml', schema, [parseOverride('dpo.beta=0.5')]).dpo.beta).toBe(
    0.5,
  )
})

test('an override may have - for _ in the name of a setting, and leaves names of the user alone', async () => {
  const tiny = resolve(import.meta.dirname, '../../configs/tiny.oak.yaml')
  const load = (...texts: readonly string[]) => loadConfig(tiny, pipelineSchema, texts.map(parseOverride))
  const config = await load('dpo.learning-rate=0.5', 'data.evaluate-also.three-hop={count: 3}')
  expect(config.dpo.learning_rate).toBe(0.5)
  expect(config.data).toMatchObject({ evaluate_also: { 'three-hop': { count: 3 } } })
  await expect(load('dpo.leaning-rate=0.5')).rejects.toThrow(
    '--set dpo.leaning-rate=0.5: unknown key "dpo.leaning-rate"; Did you mean learning_rate?',
  )
})

test('an override reaches nothing but the configuration', () => {
  expect(() => parseOverride('__proto__.polluted=1')).toThrow('there is no such setting')
  expect(() => parseOverride('data.--proto--.polluted=1')).toThrow('there is no such setting')
  expect(failure(good, ['constructor.prototype.polluted=1'])).toContain('unknown key "constructor"')
  expect(failure(good, ['toString.call=1'])).toContain('unknown key "toString"')
  expect(Reflect.get({}, 'polluted')).toBeUndefined()
  expect(Reflect.get(Object, 'prototype')).toBe(Object.prototype)
})

test.each([
  ['a wrong type', 'dpo:\n  beta: high\ndata:\n  count: 3\n', /x\.yaml:2:3: dpo\.beta is "high"/],
  ['an unknown key', 'dpo:\n  beta: 1\n  bta: 2\ndata:\n  count: 3\n', /x\.yaml:3:3: unknown key "dpo\.bta"/],
  [
    'a missing key points at its parent',
    'dpo:\n  loss: ipo\ndata:\n  count: 3\n',
    /x\.yaml:1:1: dpo\.beta is missing/,
  ],
  [
    'a value that is not offered',
    'dpo:\n  beta: 1\n  loss: l2\ndata:\n  count: 3\n',
    /x\.yaml:3:3: .*"sigmoid"\|"ipo"/,
  ],
  [
    'the branch of a union that was meant',
    'dpo:\n  beta: 1\ndata:\n  count: 1.5\n',
    /x\.yaml:4:3: data\.count is 1\.5/,
  ],
  ['broken YAML', 'dpo: [1\n', /x\.yaml:2:1: /],
])('reports %s with its position', (_, text, expected) => {
  expect(failure(text)).toMatch(/^config_invalid /)
  expect(failure(text)).toMatch(expected)
})

test('an unknown key is answered with the one that was meant, and with all that are allowed', () => {
  expect(failure('dpo:\n  beta: 1\n  los: ipo\ndata:\n  count: 3\n')).toContain(
    'unknown key "dpo.los"; Did you mean loss? Allowed here: beta, loss.',
  )
  expect(failure('dpo:\n  beta: 1\ndata:\n  count: 3\n  zebra: 1\n')).toMatch(
    /unknown key "data\.zebra"; Allowed here: files, count\.$/,
  )
})

test('an override that does not fit is named as such', () => {
  expect(failure(good, ['dpo.beta=-1'])).toMatch(/--set dpo\.beta=-1: dpo\.beta is -1/)
  expect(failure(good, ['dpo.beta.x=1'])).toMatch(/dpo\.beta has no keys below it/)
  expect(() => parseOverride('beta')).toThrow(/KEY=VALUE/)
})
