import { Help } from 'commander'
import { expect, test } from 'vitest'
import { COMMANDS } from '../../src/cli/commands.ts'
import { programFor } from '../../src/cli/program.ts'
import { createProgram } from '../support/program.ts'

test('the help that is printed without loading the commands is the help of the commands', async () => {
  const whole = createProgram()
  // Not the program's own, which reads the list.
  const help = new Help()
  const listed = COMMANDS.map(({ name, usage, description }) => [`${name} ${usage}`.trim(), description])
  expect(listed).toEqual(
    whole.commands.map((command) => [help.subcommandTerm(command), command.description()]),
  )
  expect((await programFor(['--help'])).helpInformation()).toBe(whole.helpInformation())
})

test.each([[['verify', '--help']], [['help', 'verify']]])('%j loads one command', async (words) => {
  const program = await programFor(words)
  const loaded = program.commands.filter(({ options }) => options.length > 0).map((command) => command.name())
  expect(loaded).toEqual(['verify'])
  const [real, loadedHelp] = [createProgram(), program].map(({ commands }) =>
    commands.find((command) => command.name() === 'verify')?.helpInformation(),
  )
  expect(loadedHelp).toBe(real)
})
