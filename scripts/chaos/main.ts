import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type ChaosReport, runChaos } from './run.ts'

/**
 * Kills both tiny pipelines at random moments and compares what they produce with what an undisturbed run
 * produces, byte by byte. Exit status 1 if anything differs, anything is left behind, or a run failed.
 */
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    /** `oak` or `abel`; both, half the kills each, if absent. */
    pipeline: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const root = resolve(import.meta.dirname, '../../..')
const pipelines = values.pipeline === undefined ? ['oak', 'abel'] : [values.pipeline]
const folder = await mkdtemp(join(tmpdir(), 'elenchus-chaos-'))
const seed = Number(values.seed)

// Side by side: each is mostly one busy process.
const reports = await Promise.all(
  pipelines.map((pipeline, index) =>
    runChaos({
      program: join(root, 'dist/cli/main.js'),
      config: join(root, `configs/tiny.chaos.${pipeline}.yaml`),
      folder: join(folder, pipeline),
      kills: Math.floor((Number(values.kills) + index) / pipelines.length),
      seed,
      onKill: ({ victim, stage, goneMs }, number) => {
        const gone = goneMs === null ? '' : `, all gone after ${goneMs.toFixed(0)} ms`
        process.stderr.write(`${pipeline}: kill ${number}: ${victim}, ${stage ?? 'while starting'}${gone}\n`)
      },
    }),
  ),
)
const bad = reports.some((each) =>
  [each.differences, each.left_behind, each.failures].some((list) => list.length),
)
console.log(values.json ? JSON.stringify({ seed, reports }, null, 2) : reports.map(describe).join('\n\n'))
if (bad || values.keep) console.error(`The runs are in ${folder}.`)
else await rm(folder, { recursive: true })
process.exitCode = bad ? 1 : 0

function describe(report: ChaosReport): string {
  const { orchestrator, worker, during_start: starting } = report.kills
  const stages = Object.entries(report.stages).map(([stage, count]) => `${stage} ${count}`)
  return [
    `${report.config}, seed ${report.seed}: ${report.seconds.toFixed(0)} s, undisturbed ${report.calm_seconds.toFixed(0)} s`,
    `  kill -9: ${orchestrator} of the orchestrator, ${worker} of a worker, ${starting} of them while starting`,
    `  by stage: ${stages.join(', ')}`,
    `  all processes gone at the latest ${report.longest_gone_ms.toFixed(0)} ms after their orchestrator`,
    `  ${report.products} products compared, ${report.differences.length} differences`,
    ...report.differences.map((line) => `  DIFFERENT: ${line}`),
    ...report.left_behind.map((line) => `  LEFT BEHIND: ${line}`),
    ...report.failures.map((text) => `  FAILED: ${text}`),
  ].join('\n')
}
