import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { normaliseFlags } from '../../src/cli/argv.ts'
import { addSchemaFlags, readSchemaFlags } from '../../src/cli/flags.ts'
import { dpoSchema, preferencesSchema } from '../../src/config/training.ts'
import type * as z from 'zod'

function parse<T extends z.ZodObject>(schema: T, argv: readonly string[]): z.infer<T> {
  const command = addSchemaFlags(new Command().exitOverride(), schema)
  command.parse(normaliseFlags(argv), { from: 'user' })
  return readSchemaFlags(schema, command.opts())
}

describe('flags made from a schema', () => {
  test('names, types and defaults are the schema’s', () => {
    const config = parse(dpoSchema, ['--learning-rate', '5e-6', '--batch-size=2', '--lora-rank', '8'])
    expect(config).toMatchObject({
      learning_rate: 5e-6,
      batch_size: 2,
      beta: 0.1,
      lora: { rank: 8, alpha: 32 },
    })
  })

  test('underscores are accepted in flags, and left alone in values', () => {
    expect(parse(dpoSchema, ['--learning_rate', '1e-3', '--batch_size', '4']).learning_rate).toBe(1e-3)
    expect(normaliseFlags(['--a_b=c_d', 'x_y', '--', '-q'])).toEqual(['--a-b=c_d', 'x_y', '--', '-q'])
  })

  test.each([
    [['--require-valid-winner=false'], false],
    [['--require-valid-winner', 'false'], false],
    [['--require-valid-winner'], true],
    [[], true],
  ])('a boolean: %j', (argv, expected) => {
    expect(parse(preferencesSchema, argv).require_valid_winner).toBe(expected)
  })

  test('every mistake is named with its flag', () => {
    expect(() => parse(dpoSchema, ['--beta', '-1', '--batch-size', 'two'])).toThrow(
      /--learning-rate is required\n--batch-size "two": .*\n--beta -1: /,
    )
  })
})
