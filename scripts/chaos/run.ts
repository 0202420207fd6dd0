import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import { deriveSeed, Rng } from '../../src/random.ts'
import { type Command, disturbed, type Killed, undisturbed } from './disturb.ts'
import { halves, planKills } from './plan.ts'
import { differences, products } from './products.ts'

export interface ChaosInput {
  /** Compiled `cli/main.js`. */
  readonly program: string
  readonly config: string
  /** Where the runs are written: `calm`, `rough-1`, ... */
  readonly folder: string
  readonly kills: number
  readonly seed: number
  /** Further `--set` values. */
  readonly overrides?: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  /** What is left of a killed orchestrator after this long counts as left behind. @default 1000 */
  readonly goneWithinMs?: number
  readonly onKill?: (killed: Killed, number: number) => void
}

export interface ChaosReport {
  readonly config: string
  readonly seed: number
  readonly kills: { readonly orchestrator: number; readonly worker: number; readonly during_start: number }
  /** Kills by the stage that they hit. */
  readonly stages: Readonly<Record<string, number>>
  /** Longest time from the death of an orchestrator to that of its last process. */
  readonly longest_gone_ms: number
  /** Products that were compared. */
  readonly products: number
  readonly calm_seconds: number
  readonly seconds: number
  /** All empty if all is well. */
  readonly differences: readonly string[]
  readonly left_behind: readonly string[]
  /** Attempts that failed by themselves, with what they said last. */
  readonly failures: readonly string[]
}

const MOST_RUNS = 10

/** Runs a pipeline in peace, then with kills until all of them are spent, and compares what it produced. */
export async function runChaos(input: ChaosInput): Promise<ChaosReport> {
  await mkdir(input.folder, { recursive: true })
  const began = performance.now()
  const calm = join(input.folder, 'calm')
  const { timeLine, ended } = await undisturbed(commandOf(input, calm))
  if (ended.code !== 0) throw new Error(`The undisturbed run failed:\n${ended.stderr}`)
  const calmSeconds = (performance.now() - began) / 1000
  const wanted = await products(calm)

  const wantedKills = halves(input.kills)
  const killed: Killed[] = []
  const found: { differences: string[]; left: string[]; failures: string[] } = {
    differences: [],
    left: [],
    failures: [],
  }
  // A run may end before its last kill; what is left of them is spent on another.
  for (let run = 1; run <= MOST_RUNS && killed.length < input.kills && found.failures.length === 0; run++) {
    const rough = join(input.folder, `rough-${run}`)
    const done = countKills(killed).kills
    const victims = {
      orchestrator: wantedKills.orchestrator - done.orchestrator,
      worker: wantedKills.worker - done.worker,
    }
    const plan = planKills(victims, timeLine.moments.length, new Rng(deriveSeed(input.seed, 'kills', run)))
    const outcome = await disturbed(commandOf(input, rough), plan, {
      timeLine,
      goneWithinMs: input.goneWithinMs ?? 1000,
      onKill: (kill) => {
        killed.push(kill)
        input.onKill?.(kill, killed.length)
      },
    })
    found.left.push(...outcome.left)
    if (outcome.ended.code === 0) {
      const lines = differences(wanted, await products(rough))
      found.differences.push(...lines.map((line) => `rough-${run}: ${line}`))
    } else {
      found.failures.push(`rough-${run}, exit ${outcome.ended.code}:\n${outcome.ended.stderr}`)
    }
  }
  return {
    config: input.config,
    seed: input.seed,
    ...countKills(killed),
    products: wanted.size,
    calm_seconds: calmSeconds,
    seconds: (performance.now() - began) / 1000,
    differences: found.differences,
    left_behind: found.left,
    failures: found.failures,
  }
}

function commandOf(input: ChaosInput, output: string): Command {
  const sets = [`output=${output}`, ...(input.overrides ?? [])].flatMap((set) => ['--set', set])
  return {
    program: input.program,
    args: ['run', input.config, '--json', '--resume', ...sets],
    env: input.env ?? {},
    marker: randomUUID(),
  }
}

function countKills(killed: readonly Killed[]): Pick<ChaosReport, 'kills' | 'stages' | 'longest_gone_ms'> {
  const stages: Record<string, number> = {}
  for (const { stage } of killed) if (stage !== null) stages[stage] = (stages[stage] ?? 0) + 1
  const of = (test: (kill: Killed) => boolean): number => killed.filter(test).length
  return {
    kills: {
      orchestrator: of(({ victim }) => victim === 'orchestrator'),
      worker: of(({ victim }) => victim === 'worker'),
      during_start: of(({ stage }) => stage === null),
    },
    stages,
    longest_gone_ms: Math.max(0, ...killed.map(({ goneMs }) => goneMs ?? 0)),
  }
}
