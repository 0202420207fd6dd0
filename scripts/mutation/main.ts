import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { apply, mutantsOf, type Mutant } from './mutants.ts'

/**
 * Changes one condition of the judge at a time, in a copy of the sources, and runs the judge's tests. A
 * mutant that no test notices is a survivor: docs/judge.md lists and explains them.
 */
const { values } = parseArgs({
  options: {
    /** Only files whose path contains this. */
    only: { type: 'string', default: '' },
    /** Every n-th mutant. */
    every: { type: 'string', default: '1' },
  },
})

const FOLDERS = ['src/logic/checker', 'src/logic/rules']
const FILES = [
  ...FOLDERS.flatMap((folder) => readdirSync(folder).map((file) => join(folder, file))),
  'src/logic/index-set.ts',
  'src/logic/matching.ts',
  'src/logic/substitution.ts',
].filter((file) => file.includes(values.only))

/** The first group is fast and kills most; the second runs for what is left. */
const TEST_GROUPS = [
  ['tests/logic/checker'],
  ['tests/traces/judge.test.ts', 'tests/traces/adversarial.test.ts', 'tests/traces/verify.test.ts'],
]
const TIMEOUT_MS = 120_000

const copy = mkdtempSync(join(tmpdir(), 'judge-mutation-'))
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const path of [
  'src',
  'tests/logic/checker',
  'tests/traces',
  'package.json',
  'tsconfig.json',
  'vitest.config.ts',
]) {
  cpSync(path, join(copy, path), { recursive: true })
}
symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'))

/** Whether the tests fail, or do not end. */
function isKilled(): boolean {
  return TEST_GROUPS.some((tests) => {
    const run = spawnSync('node_modules/.bin/vitest', ['run', '--bail=1', '--reporter=dot', ...tests], {
      cwd: copy,
      stdio: 'ignore',
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      env: { ...process.env, CI: '1' },
    })
    return run.status !== 0
  })
}

if (isKilled()) throw new Error('The tests fail without any mutant.')

const survivors: string[] = []
let killed = 0
let seen = 0
for (const file of FILES) {
  const source = readFileSync(file, 'utf8')
  for (const mutant of mutantsOf(source)) {
    if (seen++ % Number(values.every) !== 0) continue
    writeFileSync(join(copy, file), apply(source, mutant))
    if (isKilled()) killed++
    else {
      survivors.push(describe(file, source, mutant))
      process.stderr.write(`\rsurvived: ${survivors.at(-1)}\n`)
    }
    process.stderr.write(`\r${killed} killed, ${survivors.length} survived, at ${file}:${mutant.line}   `)
  }
  writeFileSync(join(copy, file), source)
}
process.stderr.write('\n')
const total = killed + survivors.length
const score = Number(((100 * killed) / total).toFixed(1))
console.log(JSON.stringify({ mutants: total, killed, score, survivors }, null, 2))

function describe(file: string, source: string, mutant: Mutant): string {
  const text = source.split('\n')[mutant.line - 1]?.trim() ?? ''
  return `${file}:${mutant.line} "${mutant.original.trim()}" -> "${mutant.replacement.trim()}" in: ${text}`
}
