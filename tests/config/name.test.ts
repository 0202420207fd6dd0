import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config/load.ts'
import { fileNameSchema } from '../../src/config/name.ts'
import { oakSchema } from '../../src/config/oak.ts'

test.each(['3hop', 'a', '_a', '-a', 'A.b-c_9', 'a..b', 'x'.repeat(100)])('%j can name a file', (name) => {
  expect(fileNameSchema.safeParse(name).success).toBe(true)
})

test.each(['', '.', '..', '.a', '../a', 'a/b', '/a', 'a\\b', 'a b', 'a\0', 'a\n', 'ä', 'x'.repeat(101)])(
  '%j cannot',
  (name) => {
    expect(fileNameSchema.safeParse(name).success).toBe(false)
  },
)

const tiny = readFileSync(resolve(import.meta.dirname, '../../configs/tiny.oak.yaml'), 'utf8')

function withSet(name: string): unknown {
  const override = { path: ['data', 'evaluate_also', name], value: { count: 5 }, source: '--set' }
  return parseConfig(tiny, 'tiny.yaml', oakSchema, [override]).data.evaluate_also[name]
}

test('an evaluation set is named by what can name its files, and has a file of its own', () => {
  expect(withSet('3hop.v2')).toEqual({ count: 5 })
  expect(() => withSet('../../escaped')).toThrow(
    '--set: data.evaluate_also has the key "../../escaped": names of files are made of it',
  )
  for (const name of ['train', 'sft', 'pretraining', 'held_out', 'Held_Out']) {
    expect(() => withSet(name), name).toThrow('must be another than those of the run itself')
  }
})

test('in a file, the message points at the name', () => {
  const text = tiny.replace(/^data:$/m, 'data:\n  evaluate_also:\n    a/b:\n      count: 5')
  const line = text.split('\n').findIndex((each) => each.includes('a/b:')) + 1
  expect(() => parseConfig(text, 'tiny.yaml', oakSchema)).toThrow(
    `tiny.yaml:${line}:5: data.evaluate_also has the key`,
  )
})
