import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const ROOT = resolve(import.meta.dirname, '../..')

/** The pages that users read. */
export const PAGES: readonly string[] = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

export function pageText(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
}

/** A fenced block of a page. */
export interface Block {
  /** "docs/oak.md:12", its first line of text. */
  readonly at: string
  readonly language: string
  readonly text: string
  /** `<!-- runs -->`, `<!-- given: declare const x: string -->`: what the comment before the block says. */
  readonly note: string
}

export function blocksOf(page: string): Block[] {
  const text = pageText(page)
  const fences = /(?:<!-- ([^\n]*) -->\n+)?```(\w*)[^\n]*\n([^]*?)\n```(?=\n|$)/g
  return Array.from(text.matchAll(fences), (match) => {
    const [whole, note = '', language = '', body = ''] = match
    const before = text.slice(0, match.index + whole.indexOf('```'))
    return { at: `${page}:${before.split('\n').length + 1}`, language, text: body, note }
  })
}

/** The commands of a shell block: words of each, in order; pipes and lists are taken apart, redirections left out. */
export function commandsOf(script: string): string[][] {
  const commands: string[][] = []
  for (const line of script.replaceAll(/\\\n\s*/g, '').split('\n')) {
    let words: string[] = []
    const end = (): void => {
      if (words.length > 0) commands.push(words)
      words = []
    }
    let skip = false
    for (const [token, double, single] of line.matchAll(
      /#.*$|"([^"]*)"|'([^']*)'|\|\||&&|[|;]|\d?>>?|<\(|[^\s|;>"']+(?:"[^"]*")?/g,
    )) {
      if (token.startsWith('#')) break
      if (/^(?:\|\||&&|[|;])$/.test(token)) end()
      else if (/^\d?>>?$/.test(token)) skip = true
      else if (skip) skip = false
      else words.push(double ?? single ?? token.replaceAll('"', ''))
    }
    end()
  }
  return commands
}
