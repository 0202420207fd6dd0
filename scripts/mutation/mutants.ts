/** One small change to a source text. */
export interface Mutant {
  /** Offset and text of what is replaced. */
  readonly at: number
  readonly original: string
  readonly replacement: string
  /** 1-based, for people. */
  readonly line: number
}

/** Pattern and replacement; each match in code (not in strings, comments or imports) is one mutant. */
const OPERATORS: readonly (readonly [RegExp, string])[] = [
  [/===/g, '!=='],
  [/!==/g, '==='],
  [/&&/g, '||'],
  [/\|\|/g, '&&'],
  [/ < /g, ' <= '],
  [/ <= /g, ' < '],
  [/ > /g, ' >= '],
  [/ >= /g, ' > '],
  [/ \+ 1\b/g, ' - 1'],
  [/ \+ 1\b/g, ''],
  [/ - 1\b/g, ''],
  [/\+\+/g, '--'],
  [/\btrue\b/g, 'false'],
  [/\bfalse\b/g, 'true'],
  [/(?<=[(\s])!(?=[a-z#(])/g, ''],
  [/\.left\b/g, '.right'],
  [/\.right\b/g, '.left'],
  [/\.some\(/g, '.every('],
  [/\.every\(/g, '.some('],
  [/\? (?=[^:?])/g, '&& false ? '],
  [/\bunion\(/g, '((a: never) => a)('],
  [/\bwithout\(/g, '((a: never) => a)('],
  [/\bdenials\(/g, '((..._: unknown[]) => [])('],
  [/\.negation\(/g, '.not('],
]

export function mutantsOf(source: string): Mutant[] {
  const code = blankOut(source)
  const mutants: Mutant[] = []
  for (const [pattern, replacement] of OPERATORS) {
    for (const match of code.matchAll(pattern)) {
      const line = source.slice(0, match.index).split('\n').length
      mutants.push({ at: match.index, original: match[0], replacement, line })
    }
  }
  for (const { index } of code.matchAll(/\bif \(/g)) {
    const original = source.slice(index, endOfCondition(code, index))
    const line = source.slice(0, index).split('\n').length
    for (const value of ['true', 'false'])
      mutants.push({ at: index, original, replacement: `if (${value})`, line })
  }
  return mutants.sort((a, b) => a.at - b.at)
}

/** Offset behind the parenthesis that closes the condition of the `if` at `start`. */
function endOfCondition(code: string, start: number): number {
  let depth = 0
  for (let at = start; at < code.length; at++) {
    if (code[at] === '(') depth++
    if (code[at] === ')' && --depth === 0) return at + 1
  }
  return code.length
}

export function apply(source: string, { at, original, replacement }: Mutant): string {
  return source.slice(0, at) + replacement + source.slice(at + original.length)
}

/** The source with strings, comments, imports and type declarations blanked, at the same offsets. */
function blankOut(source: string): string {
  const blank = (text: string): string => text.replaceAll(/[^\n]/g, ' ')
  return source
    .replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, blank)
    .replaceAll(/'(?:\\.|[^'\n\\])*'|"(?:\\.|[^"\n\\])*"/g, blank)
    .replaceAll(/`(?:\\.|[^`\\])*`/g, blank)
    .replaceAll(
      /^(?:import|export \* |export type|type)\b[^]*?(?=\n\n|\n(?:import|export|const|function|type)\b)/gm,
      blank,
    )
    .replaceAll(/^(?:export )?interface [^]*?\n\}/gm, blank)
}
