import { Command } from 'commander'
import { setUpPython } from '../../environment/setup.ts'
import { withSession } from '../session.ts'

interface SetupFlags {
  readonly user?: boolean
  readonly project: string
  readonly python?: string
  readonly torch: string
  readonly pipArgs: string
  readonly force?: boolean
  readonly json?: boolean
}

/** `elenchus setup`: the Python environment of the workers. */
export function setupCommand(): Command {
  return new Command('setup')
    .description('make the Python environment of the workers, with the tested versions; idempotent')
    .option('--user', "in the user's data directory, for all projects, instead of this project's .elenchus/")
    .option('--project <dir>', 'folder of the project', '.')
    .option('--python <path>', 'interpreter to make it from (default: the first one that is new enough)')
    .option(
      '--torch <which>',
      "pinned: the tested version; keep: the one that --python already has (your CUDA build); or pip's requirement",
      'pinned',
    )
    .option('--pip-args <arguments>', "further arguments of pip install, such as '--extra-index-url URL'", '')
    .option('--force', 'make it anew, even if it is up to date')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus setup\n  elenchus setup --user --torch keep --python /opt/cuda-env/bin/python\n' +
        '  elenchus setup --torch "torch==2.13.0" --pip-args "--index-url https://download.pytorch.org/whl/cu130"',
    )
    .action(async (flags: SetupFlags) => {
      await withSession(flags, async ({ print, signal, note }) => {
        const result = await setUpPython({
          where: flags.user === true ? 'user' : 'project',
          project: flags.project,
          python: flags.python,
          torch: flags.torch,
          pipArguments: flags.pipArgs.split(/\s+/).filter((part) => part !== ''),
          force: flags.force ?? false,
          onProgress: note,
          signal,
        })
        const state = result.changed ? 'ready' : 'up to date'
        const who = flags.user === true ? 'runs of this user' : 'runs in this project'
        print(`${result.environment} is ${state}; ${who} find it by themselves`, result)
      })
    })
}
