/** `--a_b` is accepted for `--a-b`, as users of the old scripts write it; values are left alone. */
export function normaliseFlags(argv: readonly string[]): string[] {
  return argv.map((argument) => {
    const match = /^(--[a-z][a-z0-9_-]*)(=[\s\S]*)?$/i.exec(argument)
    return match?.[1] === undefined ? argument : match[1].replaceAll('_', '-') + (match[2] ?? '')
  })
}
