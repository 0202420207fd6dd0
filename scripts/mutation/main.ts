import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { apply, mutantsOf, type Mutant } from './mutants.ts'
import { TestProcess } from './test-process.ts'

/**
 * Changes one condition of the judge at a time, in a copy of the sources, and runs the judge's tests. A
 * mutant that no test notices is a survivor: docs/judge-evidence.md lists and explains them.
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
  ['tests/logic/checker/', 'tests/logic/matching.test.ts', 'tests/logic/index-set.test.ts'],
  ['tests/traces/judge.test.ts', 'tests/traces/adversarial.test.ts', 'tests/traces/verify.test.ts'],
]
/** How much longer than without a mutant the tests may take, and at least so long. */
const PATIENCE = 8
const MIN_TIMEOUT_MS = 30_000
const START_TIMEOUT_MS = 300_000

const copy = realpathSync(mkdtempSync(join(tmpdir(), 'judge-mutation-')))
const tester = new TestProcess(copy, TEST_GROUPS)
process.on('exit', () => {
  tester.stop()
  rmSync(copy, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
for (const path of ['src', 'tests', 'package.json', 'tsconfig.json', 'vitest.config.ts']) {
  cpSync(path, join(copy, path), { recursive: true })
}
symlinkSync(join(process.cwd(), 'node_modules'), join(copy, 'node_modules'))

// The first run also pays for transforming every file; the second is what the others are measured by.
await expectPass(START_TIMEOUT_MS)
const began = performance.now()
await expectPass(START_TIMEOUT_MS)
const timeout = Math.max(MIN_TIMEOUT_MS, PATIENCE * (performance.now() - began))

const survivors: string[] = []
const timeouts: string[] = []
let killed = 0
let seen = 0
for (const file of FILES) {
  const source = readFileSync(file, 'utf8')
  const target = join(copy, file)
  for (const mutant of mutantsOf(source)) {
    if (seen++ % Number(values.every) !== 0) continue
    writeFileSync(target, apply(source, mutant))
    const outcome = await tester.run(target, timeout)
    const description = describe(file, source, mutant)
    if (outcome === 'passed') survivors.push(description)
    else killed++
    if (outcome === 'timeout') timeouts.push(description)
    if (outcome !== 'failed') process.stderr.write(`\r${outcome}: ${description}\n`)
    process.stderr.write(`\r${killed} killed, ${survivors.length} survived, at ${file}:${mutant.line}   `)
  }
  writeFileSync(target, source)
  // The next file's mutants must not be tested together with this file's last one.
  await tester.run(target, timeout)
}
process.stderr.write('\n')
const total = killed + survivors.length
const score = Number(((100 * killed) / total).toFixed(1))
const minutes = Number(((performance.now() - began) / 60_000).toFixed(1))
// A mutant that never ends is killed by any run of the tests; those are listed because a slow machine looks the same.
console.log(JSON.stringify({ mutants: total, killed, score, minutes, survivors, timeouts }, null, 2))
process.exit()

async function expectPass(milliseconds: number): Promise<void> {
  const outcome = await tester.run(null, milliseconds)
  if (outcome !== 'passed') throw new Error(`Without any mutant the tests end so: ${outcome}.`)
}

function describe(file: string, source: string, mutant: Mutant): string {
  const text = source.split('\n')[mutant.line - 1]?.trim() ?? ''
  return `${file}:${mutant.line} "${mutant.original.trim()}" -> "${mutant.replacement.trim()}" in: ${text}`
}
