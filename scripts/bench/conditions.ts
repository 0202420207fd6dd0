import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { choosePython } from '../../src/bridge/launchers/python.ts'

type Options = NonNullable<ParseArgsConfig['options']>

/** The flags of a bench; what it does not know ends it with status 2, since it would be measured without it. */
export function readFlags<const Given extends Options>(
  options: Given,
): ReturnType<typeof parseArgs<{ options: Given }>>['values'] {
  try {
    // `npm run bench:x --json` keeps the flag to itself, and tells the script so.
    const json = process.env['npm_config_json'] === 'true' && 'json' in options ? ['--json'] : []
    return parseArgs({ options, args: [...process.argv.slice(2), ...json] }).values
  } catch (error) {
    const known = Object.keys(options).map((name) => `--${name}`)
    return refuse(`${error instanceof Error ? error.message : String(error)} Flags: ${known.join(' ')}`)
  }
}

/** Those of `known` that a list names, or all of them. */
export function chosen<Name extends string>(
  flag: string,
  list: string | undefined,
  known: readonly Name[],
): readonly Name[] {
  if (list === undefined) return known
  const names = list.split(',')
  const unknown = names.filter((name) => !known.some((each) => each === name))
  if (unknown.length > 0)
    refuse(`--${flag} ${unknown.join(',')}: a list of ${known.join(', ')}, separated by commas`)
  return known.filter((name) => names.includes(name))
}

export function refuse(message: string): never {
  process.stderr.write(`${message}\n`)
  process.exit(2)
}

/** When, by what command, and on what a figure was measured. */
export function conditions(bench: string): Readonly<Record<string, unknown>> {
  const flags = process.argv.slice(2)
  const [cpu] = cpus()
  const gib = Math.round(totalmem() / 2 ** 30)
  return {
    bench,
    date: new Date().toISOString().replace(/\.\d+Z$/, 'Z'),
    command: [`npm run bench:${bench}`, ...(flags.length > 0 ? ['--', ...flags] : [])].join(' '),
    hardware: `${cpu?.model ?? process.arch}, ${availableParallelism()} cores, ${gib} GiB`,
    commit: said('git', ['rev-parse', '--short', 'HEAD']),
    versions: { node: process.versions.node, ...pythonVersions() },
  }
}

/** One line for people. */
export function describeConditions(of: Readonly<Record<string, unknown>>): string {
  const { date, hardware, commit, command } = of
  return `${String(date)}, ${String(hardware)}, commit ${String(commit)}: ${String(command)}`
}

function pythonVersions(): object {
  const program =
    'import json, sys; sys.path.insert(0, sys.argv[1]); from elenchus_runtime.environment import versions; print(json.dumps(versions()))'
  const text = said(choosePython(undefined), [
    '-c',
    program,
    resolve(import.meta.dirname, '../../../py-runtime'),
  ])
  return text === null ? {} : (JSON.parse(text) as object)
}

function said(program: string, args: readonly string[]): string | null {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return null
  }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
