import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isErrorCode } from '../../src/errors.ts'
import { pageText, ROOT } from './pages.ts'

/** A row of a table of the page: its cells. */
const ROWS = pageText('docs/faults.md')
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.slice(2, -2).split(' | '))
  .filter(([first]) => first !== 'failure' && first !== 'stage')

/** What a page that claims to name every failure must have. */
const FAILURES = [
  'a worker is killed or crashes',
  'a worker is stopped (SIGSTOP)',
  'a worker stalls',
  'a worker is out of memory',
  'a worker answers garbage',
  'a worker answers twice',
  'a worker never answers',
  'the orchestrator is killed (kill -9)',
  'a full disk',
  'a torn record',
  'a corrupt record in mid-file',
  'a corrupt checkpoint',
  'changed config',
  'changed data file',
  'two runs in one directory',
  'wrong library version',
  'a request kills workers',
  'a trained group loses a rank',
]

/** Files with the titles that stand behind them. */
function testsIn(cell: string): { file: string; titles: string[] }[] {
  return Array.from(cell.matchAll(/`([^`]+)`((?:,? "[^"]+")*)/g), ([, file = '', titles = '']) => ({
    file,
    titles: Array.from(titles.matchAll(/"([^"]+)"/g), ([, title = '']) => title),
  }))
}

/** Whether a file has a test, or a row of a table of tests, of this name. */
function hasTest(source: string, title: string): boolean {
  return [`'${title}'`, `\`${title}\``, `def ${title}(`].some((text) => source.includes(text))
}

test('every failure has its row', () => {
  const named = new Set(ROWS.map(([first]) => first))
  expect(FAILURES.filter((failure) => !named.has(failure))).toEqual([])
})

describe.each(ROWS.map((cells) => [cells[0] ?? '', cells] as const))('%s', (_name, cells) => {
  test('is shown by tests that exist', () => {
    const tests = testsIn(cells.at(-1) ?? '')
    expect(tests.length).toBeGreaterThan(0)
    const absent = tests.flatMap(({ file, titles }) => {
      const source = readFileSync(join(ROOT, file), 'utf8')
      if (titles.length === 0 && !file.startsWith('scripts/')) return [`${file}: which test?`]
      return titles.flatMap((title) => (hasTest(source, title) ? [] : [`${file}: ${title}`]))
    })
    expect(absent).toEqual([])
  })

  test('names codes that exist', () => {
    const [, , codes = ''] = cells.length === 4 ? cells : []
    const named = Array.from(codes.matchAll(/`([a-z]+_[a-z_]+)`/g), ([, code = '']) => code)
    expect(named.filter((code) => !isErrorCode(code))).toEqual([])
  })
})

test('the check itself finds what is wrong', () => {
  expect(testsIn('`a.test.ts` "x", "y, z"; `b.py` "test_q"')).toEqual([
    { file: 'a.test.ts', titles: ['x', 'y, z'] },
    { file: 'b.py', titles: ['test_q'] },
  ])
  expect(hasTest("test('x', () => {})", 'x')).toBe(true)
  expect(hasTest("test('xy', () => {})", 'x')).toBe(false)
})
