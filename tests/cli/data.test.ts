import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { DOWNLOADS } from '../../src/problems/downloads.ts'
import { fingerprintFile } from '../../src/runs/fingerprint.ts'
import { sharedDataMissing } from '../support/shared-data.ts'
import { createProgram } from '../support/program.ts'

const SHARED = resolve(
  process.env['ELENCHUS_SHARED_DATA'] ?? join(import.meta.dirname, '../../../shared/data'),
)

let folder: string
let printed: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-data-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
beforeEach(() => {
  printed = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
})
afterEach(() => vi.restoreAllMocks())

const data = (...words: readonly string[]) => createProgram().parseAsync(['data', ...words], { from: 'user' })

describe('data check', () => {
  test('a file that nobody knows is named with its hash, and fails', async () => {
    const path = join(folder, 'other.jsonl')
    await writeFile(path, '{}\n')
    await expect(data('check', '--data', path)).rejects.toMatchObject({ code: 'record_invalid' })
    expect(printed).toContain(await fingerprintFile(path))
  })

  test.skipIf(sharedDataMissing('gsm8k', 'train.jsonl'))('originals are known', async () => {
    const files = [
      'gsm8k/train.jsonl',
      'gsm8k/test.jsonl',
      'gsm8k_platinum/test.jsonl',
      'gsm8k_platinum/overlay.json',
      'folio/folio-train.jsonl',
      'proofwriter/dev.json',
      ...[1, 2, 3, 4].map((hops) => `prontoqa/${hops}hop_1shot_random_seed101.json`),
    ]
    await data('check', '--json', '--data', ...files.map((file) => join(SHARED, file)))
    const { files: found } = JSON.parse(printed) as { files: { known: { name: string } }[] }
    expect(found.map(({ known }) => known.name).sort()).toEqual(DOWNLOADS.map(({ name }) => name).sort())
  })
})

describe('data generate', () => {
  test('word problems end with their answer; settings of the other task are refused', async () => {
    const path = join(folder, 'questions.jsonl')
    await data('generate', '--task', 'arithmetic', '--count', '8', '--steps', '[1, 2]', '--output', path)
    const rows = (await readFile(path, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { answer: string })
    expect(rows).toHaveLength(8)
    for (const { answer } of rows) expect(answer).toMatch(/#### \d+$/)
    const other = data('generate', '--task', 'arithmetic', '--count', '8', '--hops', '[1]', '--output', path)
    await expect(other).rejects.toThrow('--hops: not a setting of --task arithmetic')
    await expect(data('generate', '--count', '8', '--steps', '[1]', '--output', path)).rejects.toThrow(
      '--steps',
    )
  })

  test('all three labels, equally often', async () => {
    const path = join(folder, 'three.jsonl')
    await data('generate', '--count', '9', '--labels', '["TRUE", "FALSE", "UNKNOWN"]', '--output', path)
    const labels = Array.from(
      (await readFile(path, 'utf8')).matchAll(/"label":"(\w+)"/g),
      ([, label]) => label,
    )
    const each = ['FALSE', 'TRUE', 'UNKNOWN']
    expect(each.map((label) => labels.filter((other) => other === label).length)).toEqual([3, 3, 3])
  })
})

test('data inspect tells counts, balance, lengths, what no grammar reads, baselines and leaks', async () => {
  const [path, other] = [join(folder, 'made.jsonl'), join(folder, 'other.jsonl')]
  const rules = ['--rules', '["and_elim", "disjunctive_syllogism"]']
  await data('generate', '--count', '8', '--hops', '[1, 2]', ...rules, '--output', path)
  const rows = (await readFile(path, 'utf8')).trimEnd().split('\n')
  const odd = {
    problem_id: 'odd',
    premises: ['Colourless green ideas sleep.'],
    conclusion: 'Max is red.',
    label: 'TRUE',
  }
  await writeFile(other, `${rows[0]}\n${JSON.stringify(odd)}\n`)
  printed = ''
  await data('inspect', '--data', path, other)
  expect(printed.replaceAll(/ {2,}/g, '  ')).toMatch(
    /^made  8  TRUE 4, FALSE 4, UNKNOWN 0  1: 4, 2: 4  8  0 \(0\.0 %\)  0$/m,
  )
  expect(printed.replaceAll(/ {2,}/g, '  ')).toMatch(/^other  2  .*  1 \(50\.0 %\)  0$/m)
  expect(printed).toMatch(/^made .* - .*mean .* +50\.0 % +100\.0 %$/m)
  expect(printed).toMatch(/^other .* 50\.0 %$/m)
  expect(printed).toContain('made and other share 1 problems')
  printed = ''
  await data('inspect', '--json', '--data', path)
  expect(JSON.parse(printed)).toMatchObject({
    sets: { made: { baselines: { commonest_label: 0.5, solver: { right: 8, wrong: 0, unverifiable: 0 } } } },
    leaks: [],
  })
})
