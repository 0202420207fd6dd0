import { Command } from 'commander'
import { compareRuns, describeRun, listRuns } from '../../pipelines/run-list.ts'
import { withSession, type OutputOptions } from '../session.ts'
import { renderTable } from '../table.ts'

/** `elenchus runs list|show|diff`. */
export function runsCommand(): Command {
  return new Command('runs')
    .description('list runs, show one, compare the settings of two')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(diffCommand())
}

function listCommand(): Command {
  return new Command('list')
    .description('every run below a folder, newest first')
    .argument('[dir]', 'folder', 'outputs')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  elenchus runs list outputs')
    .action(async (dir: string, options: OutputOptions) => {
      await withSession(options, async ({ print }) => {
        const runs = await listRuns(dir)
        const rows = runs.map((run) => [run.dir, run.kind, run.state, when(run.started_at)])
        const text =
          runs.length === 0 ? `no runs below ${dir}` : renderTable(['run', 'what', 'state', 'started'], rows)
        print(text, { runs })
      })
    })
}

function showCommand(): Command {
  return new Command('show')
    .description('the stages of a run and how far they are')
    .argument('<run>', 'directory of a run')
    .option('--json', 'print one JSON document, with configuration and summary')
    .addHelpText('after', '\nExample:\n  elenchus runs show outputs/quickstart/oak')
    .action(async (dir: string, options: OutputOptions) => {
      await withSession(options, async ({ print }) => {
        const run = await describeRun(dir)
        const rows = run.stages.map((stage) => [
          stage.stage,
          stage.dir,
          stage.state,
          String(stage.attempts),
          when(stage.started_at),
          when(stage.ended_at),
        ])
        const head =
          run.record === null
            ? dir
            : `${dir}: ${run.record.pipeline}, ${run.record.finished_at === undefined ? 'unfinished (--resume continues)' : `finished ${when(run.record.finished_at)}`}`
        print(
          `${head}\n\n${renderTable(['stage', 'in', 'state', 'attempts', 'started', 'ended'], rows)}`,
          run,
        )
      })
    })
}

function diffCommand(): Command {
  return new Command('diff')
    .description('how the settings of two runs differ')
    .argument('<first>', 'directory of a run')
    .argument('<second>', 'directory of another')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  elenchus runs diff outputs/seed1 outputs/seed2')
    .action(async (first: string, second: string, options: OutputOptions) => {
      await withSession(options, async ({ print }) => {
        const differences = await compareRuns(first, second)
        print(differences.length === 0 ? 'the same settings' : differences.join('\n'), { differences })
      })
    })
}

function when(time: string | null): string {
  return time === null ? '-' : time.slice(0, 16).replace('T', ' ')
}
