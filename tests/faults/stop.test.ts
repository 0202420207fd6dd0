import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { generateProblems } from '../../src/problems/generator/generate.ts'
import { FakeServer } from '../backends/openai/fake-server.ts'
import { Elenchus } from '../support/elenchus.ts'

let elenchus: Elenchus
let folder = ''
beforeAll(async () => {
  elenchus = await Elenchus.compile()
  folder = await mkdtemp(join(tmpdir(), 'elenchus-stop-'))
})
afterAll(async () => {
  await elenchus[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('SIGTERM ends a stage with status 75 and whole records, and --resume ends with the same bytes', async () => {
  let stuck = false
  let served = 0
  let reached = (): void => undefined
  const halfWay = new Promise<void>((resolve) => (reached = resolve))
  await using server = await FakeServer.start({
    owner: 'vllm',
    // From the sixth on it leaves everybody without an answer.
    before: () => {
      served++
      if (stuck && served === 12) reached()
      return stuck && served > 5
    },
  })
  const data = join(folder, 'problems.jsonl')
  const problems = generateProblems({ count: 10, seed: 1, split: 'train', hops: [1] })
  await writeFile(data, problems.map((each) => `${JSON.stringify(each)}\n`).join(''))
  const args = (name: string): string[] =>
    `traces --backend openai --base-url ${server.url} --model fake --data ${data} --samples-per-problem 2 --max-new-tokens 20 --output ${join(folder, name)}`.split(
      ' ',
    )
  const records = (name: string): Promise<string> => readFile(join(folder, name, 'traces.jsonl'), 'utf8')
  const calm = await elenchus.run(...args('calm'))
  expect(calm.code, calm.stderr).toBe(0)

  served = 0
  stuck = true
  const { child, ended } = elenchus.start(...args('stopped'))
  await halfWay
  child.kill('SIGTERM')
  const stopped = await ended
  expect(stopped.code, stopped.stderr).toBe(75)
  expect(stopped.stderr).toContain('--resume')
  const before = await records('stopped')
  expect(before === '' || before.endsWith('}\n')).toBe(true)
  expect((await records('calm')).startsWith(before)).toBe(true)

  stuck = false
  const resumed = await elenchus.run(...args('stopped'), '--resume')
  expect(resumed.code, resumed.stderr).toBe(0)
  expect(await records('stopped')).toBe(await records('calm'))
})
