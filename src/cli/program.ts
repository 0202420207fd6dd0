import { Command } from 'commander'
import { versions } from '../runs/versions.ts'
import { COMMANDS } from './commands.ts'

/** Makes the whole program with everything in it: what completion scripts and the reference are made from. */
export async function loadProgram(): Promise<() => Command> {
  const makers = await Promise.all(COMMANDS.map(({ load }) => load()))
  return () => programOf(makers.map((make) => make()))
}

/**
 * The program as far as a command line needs it: the command that it chooses, and the others by name and description only.
 * Loading all of them takes longer than most of them run.
 */
export async function programFor(words: readonly string[]): Promise<Command> {
  const [first, second] = words
  // Its script tells everything of everybody.
  if (first === 'completion') return (await loadProgram())()
  const chosen = first === 'help' ? second : first
  const commands = COMMANDS.map(async (entry) =>
    entry.name === chosen ? (await entry.load())() : new Command(entry.name).description(entry.description),
  )
  return programOf(await Promise.all(commands))
}

function programOf(commands: readonly Command[]): Command {
  const usages = new Map(COMMANDS.map(({ name, usage }) => [name, usage]))
  const program = new Command('elenchus')
    .description('Trains language models to reason, with a judge that cannot be fooled.')
    .version(versions()['elenchus'] ?? '')
    .showSuggestionAfterError()
    .showHelpAfterError('(add --help for the options)')
    .configureHelp({
      subcommandTerm: (command) => `${command.name()} ${usages.get(command.name()) ?? ''}`.trim(),
    })
    .addHelpText(
      'after',
      '\nstdout is the result (--json for programs), stderr is progress and log.\n' +
        'Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 environment not ready,\n' +
        '5 below a --gate, 75 stopped by SIGTERM, 130 by Ctrl-C (both continue with --resume).',
    )
  for (const command of commands) program.addCommand(command)
  exitInsteadOfThrow(program)
  return program
}

/** Commander then throws instead of ending the process, so that one place decides about the exit status. */
function exitInsteadOfThrow(command: Command): void {
  command.exitOverride()
  for (const child of command.commands) exitInsteadOfThrow(child)
}
