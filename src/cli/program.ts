import { Command } from 'commander'
import { versions } from '../runs/versions.ts'
import { abelCommand } from './commands/abel.ts'
import { baselineCommand } from './commands/baseline.ts'
import { compareCommand } from './commands/compare.ts'
import { completionCommand } from './commands/completion.ts'
import { dataCommand } from './commands/data.ts'
import { doctorCommand } from './commands/doctor.ts'
import { dpoCommand } from './commands/dpo.ts'
import { evaluateCommand } from './commands/evaluate.ts'
import { explainCommand } from './commands/explain.ts'
import { gradeCommand } from './commands/grade.ts'
import { initCommand } from './commands/init.ts'
import { joinCommand } from './commands/join.ts'
import { mergeCommand } from './commands/merge.ts'
import { oakCommand } from './commands/oak.ts'
import { planCommand } from './commands/plan.ts'
import { ppoCommand } from './commands/ppo.ts'
import { preferencesCommand } from './commands/preferences.ts'
import { regimeWCommand } from './commands/regime-w.ts'
import { reportCommand } from './commands/report.ts'
import { rolloutsCommand } from './commands/rollouts.ts'
import { runCommand } from './commands/run.ts'
import { runsCommand } from './commands/runs.ts'
import { schemaCommand } from './commands/schema.ts'
import { setupCommand } from './commands/setup.ts'
import { sftCommand } from './commands/sft.ts'
import { tracesCommand } from './commands/traces.ts'
import { verifyCommand } from './commands/verify.ts'

const COMMANDS = [
  runCommand,
  oakCommand,
  abelCommand,
  sftCommand,
  ppoCommand,
  tracesCommand,
  rolloutsCommand,
  preferencesCommand,
  dpoCommand,
  evaluateCommand,
  compareCommand,
  verifyCommand,
  explainCommand,
  reportCommand,
  baselineCommand,
  gradeCommand,
  regimeWCommand,
  dataCommand,
  mergeCommand,
  joinCommand,
  runsCommand,
  planCommand,
  doctorCommand,
  setupCommand,
  initCommand,
  schemaCommand,
  completionCommand,
]

export function createProgram(): Command {
  const program = new Command('elenchus')
    .description('Trains language models to reason, with a judge that cannot be fooled.')
    .version(versions()['elenchus'] ?? '')
    .showSuggestionAfterError()
    .showHelpAfterError('(add --help for the options)')
    .addHelpText(
      'after',
      '\nstdout is the result (--json for programs), stderr is progress and log.\n' +
        'Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 environment not ready,\n' +
        '5 below a --gate, 75 stopped by SIGTERM, 130 by Ctrl-C (both continue with --resume).',
    )
  for (const make of COMMANDS) program.addCommand(make())
  exitInsteadOfThrow(program)
  return program
}

/** Commander then throws instead of ending the process, so that one place decides about the exit status. */
function exitInsteadOfThrow(command: Command): void {
  command.exitOverride()
  for (const child of command.commands) exitInsteadOfThrow(child)
}
