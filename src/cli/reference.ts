import type { Command } from 'commander'
import { pathOf } from './typos.ts'

/** docs/cli.md: the help of every command, as the program prints it. */
export function cliReference(program: Command): string {
  const commands = leaves(program)
  const contents = commands.map((command) => {
    const path = pathOf(command)
    return `- [${path}](#${path.replaceAll(' ', '-')}): ${command.description()}`
  })
  const sections = commands.map(
    (command) => `## ${pathOf(command)}\n\n\`\`\`text\n${helpOf(command).trim()}\n\`\`\``,
  )
  return [
    '# The command line',
    "Made from the commands' own help by `npm run generate`. `_` is accepted for `-` in flags.",
    contents.join('\n'),
    ...sections,
    '',
  ].join('\n\n')
}

/** Every command of a program that does something. */
export function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)
}

/** The help at one width, whatever the terminal, and without colours. */
function helpOf(command: Command): string {
  let help = ''
  command.configureOutput({
    writeOut: (text) => (help += text),
    getOutHelpWidth: () => 110,
    getOutHasColors: () => false,
  })
  command.outputHelp()
  return help
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
