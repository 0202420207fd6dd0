/** For flags that may be repeated. */
export function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value]
}
