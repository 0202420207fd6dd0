import type { Command } from 'commander'
import { didYouMean } from '../config/nearest.ts'
import { ElenchusError } from '../errors.ts'

/**
 * Refuses a mistyped command or flag, with the one that was probably meant. Commander does so too, but only once all
 * mandatory flags are there: whoever writes `--ouput` would be told that `--output` is missing.
 * @param argv the arguments of the program, flags normalised.
 * @throws ElenchusError `usage`.
 */
export function refuseTypos(program: Command, argv: readonly string[]): void {
  let command = program
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? ''
    if (argument === '--') return
    if (argument.startsWith('--')) {
      const name = argument.split('=', 1)[0] ?? ''
      const option = command.options.find(({ long }) => long === name)
      if (option === undefined) refuseFlag(command, name)
      // A value may look like a flag, and is none: --pip-args "--index-url URL".
      if (option?.required === true && !argument.includes('=')) index++
    } else if (command.commands.length > 0 && !argument.startsWith('-')) {
      const child = command.commands.find((each) => each.name() === argument)
      if (child === undefined) refuseCommand(command, argument)
      else command = child
    }
  }
}

function refuseFlag(command: Command, name: string): void {
  const known = [...command.options.flatMap(({ long }) => (long ? [long] : [])), '--help']
  if (known.includes(name)) return
  throw new ElenchusError('usage', `${pathOf(command)} has no ${name}.${didYouMean(name, known)}`, {
    hint: `${pathOf(command)} --help lists them.`,
  })
}

function refuseCommand(command: Command, name: string): void {
  if (name === 'help') return
  const known = command.commands.map((each) => each.name())
  throw new ElenchusError('usage', `There is no ${pathOf(command)} ${name}.${didYouMean(name, known)}`, {
    hint: `Commands: ${known.join(', ')}.`,
  })
}

/** "elenchus data generate". */
export function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}
