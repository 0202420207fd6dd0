import { CommanderError, type Command } from 'commander'
import { normaliseFlags } from '../../src/cli/argv.ts'
import { loadProgram } from '../../src/cli/program.ts'
import { leaves } from '../../src/cli/reference.ts'
import { refuseTypos } from '../../src/cli/typos.ts'

/** The program of the command line, with all its commands. */
export const createProgram = await loadProgram()

/** The program of the command line, whose commands do nothing, and which prints nothing. */
function inertProgram(): Command {
  const program = createProgram()
  const silence = (command: Command): void => {
    command.configureOutput({ writeOut: () => undefined, writeErr: () => undefined })
    command.commands.forEach(silence)
  }
  silence(program)
  for (const command of leaves(program)) command.action(() => undefined)
  return program
}

/** Why a command line would be refused before anything runs; null if it would not. */
export function refusalOf(words: readonly string[]): string | null {
  const program = inertProgram()
  const argv = normaliseFlags(words)
  try {
    refuseTypos(program, argv)
    program.parse(argv, { from: 'user' })
    return null
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return null
    return error instanceof Error ? error.message : String(error)
  }
}
