import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { isPlainObject } from '../../src/runs/json.ts'
import { redacted } from '../../src/runs/redact.ts'

const SCHEMAS = resolve(import.meta.dirname, '../../configs/schema')

test.each([
  { api_key: 'x' },
  { apiKey: 'x' },
  { 'X-Api-Key': 'x' },
  { key: 'x' },
  { HF_TOKEN: 'x' },
  { hubToken: 'x' },
  { Secret: 'x' },
  { aws_secret_access_key: 'x' },
  { PASSWORD: 'x' },
  { password: 12_345 },
  { Authorization: 'Bearer x' },
])('by the name of its key: %o', (value) => {
  expect(redacted({ deep: [value] })).toEqual({ deep: [{ [Object.keys(value)[0]!]: '[redacted]' }] })
})

test.each([
  ['hf_abcdefghijklmnopqrstuvwxyzABCDEFGH', '[redacted]'],
  ['sk-proj-abcdefghijklmnop_1234', '[redacted]'],
  ['https://me:pass@example.org/v1', 'https://[redacted]@example.org/v1'],
  ['postgres://:p%40ss@[::1]:5432/x', 'postgres://[redacted]@[::1]:5432/x'],
  ['http://example.org/v1?api_key=abc&n=1', 'http://example.org/v1?api_key=[redacted]&n=1'],
  ['--export=HF_TOKEN=abc,N=1', '--export=HF_TOKEN=[redacted],N=1'],
  ['export WANDB_API_KEY="abc"; true', 'export WANDB_API_KEY="[redacted]"; true'],
  ['--api-key=abc', '--api-key=[redacted]'],
  ['Authorization: Bearer abc', 'Authorization: Bearer [redacted]'],
  ['x-api-key: abc', 'x-api-key: [redacted]'],
  ['Bearer abcdefgh', 'Bearer [redacted]'],
])('by its form: %s', (text, expected) => {
  expect(redacted(text)).toBe(expected)
  expect(redacted(redacted(text))).toBe(expected)
})

test('an argument behind the flag that names it', () => {
  expect(redacted(['serve', '--api-key', 'abc', '--port', '80'])).toEqual([
    'serve',
    '--api-key',
    '[redacted]',
    '--port',
    '80',
  ])
})

test.each([
  { max_new_tokens: 5, tokens: 'x', key_variable: 'OPENAI_API_KEY', api_key_variable: 'MY_KEY' },
  { key: '', token: null, secret: undefined, password: { length: 8 } },
  { path: 'hf_models/tiny', other: 'sk-short', more: 'risk-averse-and-very-long-name' },
  { url: 'http://localhost:8000/v1', ssh: 'git@example.org:a/b', list: 'tcp://key:8000' },
  { marker: '####', pattern: '(?:token|key): (.*)', prose: 'the key is a word' },
])('what is none stays: %o', (value) => {
  expect(redacted(value)).toEqual(value)
})

test('what it is given stays as it was', () => {
  const config = { hub: { token: 'x' }, list: ['--token', 'x'] }
  const before = structuredClone(config)
  redacted(config)
  expect(config).toEqual(before)
})

test('no setting of our own has a name that would hide it, and with it its changes', async () => {
  const names = new Set<string>()
  const collect = (node: unknown): void => {
    if (Array.isArray(node)) for (const item of node) collect(item)
    if (!isPlainObject(node)) return
    if (isPlainObject(node['properties'])) for (const name of Object.keys(node['properties'])) names.add(name)
    for (const item of Object.values(node)) collect(item)
  }
  for (const file of await readdir(SCHEMAS)) {
    collect(JSON.parse(await readFile(join(SCHEMAS, file), 'utf8')))
  }
  expect(names.size).toBeGreaterThan(50)
  for (const name of names) expect(redacted({ [name]: 'x' })).toEqual({ [name]: 'x' })
})
