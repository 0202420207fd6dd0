import { Argument, Command } from 'commander'
import { completionScript, SHELLS, type Shell } from '../completion.ts'

/** `elenchus completion`: made from the program that it belongs to. */
export function completionCommand(): Command {
  const command = new Command('completion')
  return command
    .description('print a completion script for a shell')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples:\n  source <(elenchus completion bash)                # in ~/.bashrc\n' +
        '  source <(elenchus completion zsh)                 # in ~/.zshrc, after compinit\n' +
        '  elenchus completion fish > ~/.config/fish/completions/elenchus.fish',
    )
    .action((shell: Shell) => {
      if (command.parent === null) return
      process.stdout.write(completionScript(command.parent, shell))
    })
}
