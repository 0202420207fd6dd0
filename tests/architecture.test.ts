import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve, dirname } from 'node:path'
import { expect, test } from 'vitest'

/**
 * Dependencies point one way: cli -> pipelines -> stages -> {backends, runs} and the pure domain.
 * Each folder of `src/` may import itself and what stands here, nothing else.
 */
const ALLOWED: Record<string, readonly string[]> = {
  // the pure domain: no I/O, no backend, no Node built-ins
  logic: [],
  answers: [],
  'regime-w': ['answers'],
  problems: ['answers', 'logic', 'prompts'],
  prompts: ['problems'],
  preferences: ['answers', 'config', 'logic', 'problems', 'regime-w', 'traces'],
  // shows what evaluation measured; only its types, names and formats come in
  report: ['evaluation', 'logic'],
  // files, processes, sockets
  runs: [],
  backends: ['bridge', 'plan', 'runs'],
  bridge: ['runs'],
  // for people who write backends of their own
  testing: ['backends'],
  // what embedders call; commands call the same pipelines
  library: ['config', 'pipelines', 'preferences', 'regime-w', 'report', 'runs'],
  entailment: ['logic', 'problems'],
  environment: ['backends', 'bridge', 'runs'],
  sinks: ['bridge', 'runs'],
  // estimates from settings
  plan: ['config'],
  // stages
  rollouts: ['config', 'problems', 'prompts', 'answers', 'regime-w', 'backends', 'runs'],
  traces: ['config', 'logic', 'problems', 'prompts', 'backends', 'runs', 'entailment'],
  training: [
    'answers',
    'config',
    'backends',
    'runs',
    'problems',
    'prompts',
    'preferences',
    'traces',
    'logic',
  ],
  evaluation: [
    'config',
    'backends',
    'runs',
    'problems',
    'prompts',
    'traces',
    'rollouts',
    'regime-w',
    'logic',
    'entailment',
  ],
  // schemas only: stages take their settings from here, never the other way round
  config: ['logic', 'problems', 'regime-w'],
  pipelines: [
    'plan',
    'report',
    'config',
    'training',
    'traces',
    'rollouts',
    'evaluation',
    'preferences',
    'answers',
    'regime-w',
    'problems',
    'prompts',
    'backends',
    'bridge',
    'runs',
    'logic',
    'entailment',
  ],
  cli: [
    'config',
    'pipelines',
    'training',
    'traces',
    'rollouts',
    'evaluation',
    'preferences',
    'answers',
    'regime-w',
    'problems',
    'prompts',
    'backends',
    'bridge',
    'runs',
    'logic',
    'entailment',
    'environment',
    'sinks',
    'plan',
  ],
}

/** Folders that may import neither Node built-ins nor packages (zod excepted: record schemas). */
const PURE = new Set(['logic', 'answers', 'regime-w', 'problems', 'prompts', 'preferences', 'report', 'plan'])
/** Files everybody may import. */
const COMMON = new Set(['errors.ts', 'random.ts'])

const SRC = resolve(import.meta.dirname, '../src')

function sourceFiles(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(SRC, file))
}

function imports(file: string): string[] {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(/(?:from\s+|import\s+|import\(\s*)'([^']+)'/g)].map((match) => match[1] ?? '')
}

/** Every import that the table forbids, as "file -> import". */
function violations(file: string, specifiers: readonly string[]): string[] {
  const path = relative(SRC, file)
  const folder = path.includes('/') ? (path.split('/')[0] ?? '') : ''
  if (folder === '') return []
  const allowed = ALLOWED[folder]
  if (allowed === undefined) return [`${path}: the folder "${folder}" is not in the table`]
  return specifiers.flatMap((specifier) => {
    if (!specifier.startsWith('.')) {
      return PURE.has(folder) && specifier !== 'zod' ? [`${path} -> ${specifier}`] : []
    }
    const target = relative(SRC, resolve(dirname(file), specifier))
    if (COMMON.has(target)) return []
    const targetFolder = target.split('/')[0] ?? ''
    return targetFolder === folder || allowed.includes(targetFolder) ? [] : [`${path} -> ${target}`]
  })
}

test('dependencies point one way and the pure folders stay pure', () => {
  const files = sourceFiles()
  expect(files.length).toBeGreaterThan(3)
  expect(files.flatMap((file) => violations(file, imports(file)))).toEqual([])
})

test('the check itself catches a violation', () => {
  expect(violations(join(SRC, 'logic/x.ts'), ['node:fs', '../runs/jsonl.ts', './formula.ts'])).toEqual([
    'logic/x.ts -> node:fs',
    'logic/x.ts -> runs/jsonl.ts',
  ])
})
