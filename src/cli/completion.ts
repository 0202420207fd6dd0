import type { Command, Option } from 'commander'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** A command as a shell sees it. */
interface Entry {
  /** Words after the program's name: [], ["data"], ["data", "generate"]. */
  readonly path: readonly string[]
  readonly description: string
  readonly children: readonly string[]
  readonly options: readonly Option[]
  /** Values of its first argument, where they are fixed. */
  readonly choices: readonly string[]
}

/** A completion script, made from the program itself, so that it knows exactly what the program knows. */
export function completionScript(program: Command, shell: Shell): string {
  const entries = entriesOf(program)
  switch (shell) {
    case 'bash':
      return bash(entries)
    case 'zsh':
      // zsh runs bash completions, and files and descriptions are not worth a second program that could differ.
      return `#compdef elenchus\nautoload -U +X bashcompinit && bashcompinit\n${bash(entries)}`
    case 'fish':
      return fish(entries)
  }
}

function entriesOf(command: Command, path: readonly string[] = []): Entry[] {
  const own: Entry = {
    path,
    description: command.description(),
    children: command.commands.map((child) => child.name()),
    options: command.options.filter(({ long }) => long !== undefined && long !== null),
    choices: command.registeredArguments[0]?.argChoices ?? [],
  }
  return [own, ...command.commands.flatMap((child) => entriesOf(child, [...path, child.name()]))]
}

function flagsOf({ options }: Entry): string[] {
  return [...options.flatMap(({ long }) => (long ? [long] : [])), '--help']
}

function bash(entries: readonly Entry[]): string {
  const words = (list: readonly string[]): string => `'${list.join(' ')}'`
  const nodes = entries.map((entry) => {
    const values = entry.options.flatMap(({ long, argChoices }) =>
      argChoices === undefined ? [] : [`        ${long ?? ''}) choices=${words(argChoices)} ;;`],
    )
    const valued = entry.options.flatMap(({ long, required }) => (long && required ? [long] : []))
    return `    '${entry.path.join(' ')}')
      children=${words([...entry.children, ...entry.choices])}
      flags=${words(flagsOf(entry))}
      valued=${words(valued)}
      case "$previous" in
${values.join('\n') || '        *) ;;'}
      esac
      ;;`
  })
  const parents = entries.filter(({ children }) => children.length > 0)
  return `# elenchus completion for bash: source <(elenchus completion bash)
_elenchus() {
  local current previous word path='' children='' flags='' valued='' choices='' index
  current="\${COMP_WORDS[COMP_CWORD]}"
  previous="\${COMP_WORDS[COMP_CWORD-1]}"
  # --flag=value arrives as three words.
  [ "$previous" = '=' ] && previous="\${COMP_WORDS[COMP_CWORD-2]}"
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "$path/$word" in
${parents.flatMap(({ path, children }) => children.map((child) => `      '${path.join(' ')}/${child}') path='${[...path, child].join(' ')}' ;;`)).join('\n')}
    esac
  done
  case "$path" in
${nodes.join('\n')}
  esac
  if [ -n "$choices" ]; then
    COMPREPLY=($(compgen -W "$choices" -- "$current"))
  elif [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [[ " $valued " == *" $previous "* ]] || [ -z "$children" ]; then
    COMPREPLY=($(compgen -f -- "$current"))
  else
    COMPREPLY=($(compgen -W "$children" -- "$current"))
  fi
}
complete -o filenames -o default -F _elenchus elenchus
`
}

function fish(entries: readonly Entry[]): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines = entries.flatMap(({ path, children, options, choices }) => {
    const within = path.map((word) => `__fish_seen_subcommand_from ${word}`)
    const outside = children.length === 0 ? [] : [`not __fish_seen_subcommand_from ${children.join(' ')}`]
    const condition = (parts: readonly string[]): string =>
      parts.length === 0 ? '' : ` -n ${quote(parts.join('; and '))}`
    return [
      ...children.map((child) => {
        const about = entries.find((entry) => entry.path.join(' ') === [...path, child].join(' '))
        return `complete -c elenchus -f${condition([...within, ...outside])} -a ${child} -d ${quote(about?.description ?? '')}`
      }),
      ...choices.map((choice) => `complete -c elenchus -f${condition(within)} -a ${choice}`),
      ...options.map(({ long, description, argChoices, required }) => {
        const takes = argChoices ? ` -x -a ${quote(argChoices.join(' '))}` : required ? ' -r' : ''
        return `complete -c elenchus${condition([...within, ...outside])} -l ${(long ?? '').slice(2)}${takes} -d ${quote(description)}`
      }),
    ]
  })
  return `# elenchus completion for fish: elenchus completion fish > ~/.config/fish/completions/elenchus.fish\n${lines.join('\n')}\n`
}
