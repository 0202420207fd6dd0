import { ElenchusError } from '../errors.ts'
import { leadingNumber } from './number.ts'
import { format } from './rational.ts'
import type { Rational } from './rational.ts'

/**
 * Text from which on an output no longer answers its own question; it counts when something stands before.
 */
const RUN_ON =
  /\n[ \t]*(?:Question|Q|Problem|Instruction|Human|User):|\n[ \t]*#{2,3} (?:Instruction|Question|Problem|Input)\b|<\/s>|<\|(?:endoftext|end_of_text|im_end|im_start|eot_id)\|>/

/** GSM8K writes its final answer behind this. */
export const DEFAULT_MARKER = '####'

export interface ExtractionOptions {
  /** What stands before the final answer; the last occurrence counts. Default `####`. */
  readonly marker?: string
  /** Where the marker is missing, take the last number of the text. Default false: no marker is no answer. */
  readonly lastNumberFallback?: boolean
}

/** The final answer of an output. */
export interface FinalAnswer {
  /** The number as a canonical string (`18`, `55.5`, `1/3`); the raw text where it is no number. */
  readonly text: string
  /** Null where the answer is no single number: answered, and equal to nothing. */
  readonly value: Rational | null
}

/** The output up to where it goes on with another question or its end-of-text token. Linear time. */
export function cutRunOn(output: string): string {
  const start = output.search(/\S/)
  if (start < 0) return output
  // From the character behind the first visible one: a text may begin with "Question:".
  const at = output.slice(start + 1).search(RUN_ON)
  return at < 0 ? output : output.slice(0, start + 1 + at)
}

/**
 * Final answer of a model's output: run-on text cut, then what stands behind the last marker.
 *
 * On that line (or the next one that is not empty) the answer is the number it begins with, else what follows
 * its last `=`, else its only number. A line with several numbers and no such order is no number.
 * @returns null when there is no answer: no marker, or nothing behind it.
 * @throws ElenchusError `config_invalid` if the marker is empty.
 */
export function extractAnswer(output: string, options: ExtractionOptions = {}): FinalAnswer | null {
  const text = cutRunOn(output)
  const marker = options.marker ?? DEFAULT_MARKER
  if (marker.trim() === '') throw new ElenchusError('config_invalid', 'The answer marker is empty.')
  const line = lineAfterMarker(text, marker)
  if (line === null) return options.lastNumberFallback === true ? lastNumber(text) : null
  if (line === '') return null
  const value = answerValue(line)
  return { text: value === null ? line : format(value), value }
}

/** What stands behind the last marker, on its own line or else on the next that has text; trimmed. */
function lineAfterMarker(text: string, marker: string): string | null {
  let at = text.lastIndexOf(marker)
  // A marker that begins with a letter must begin a word: "A:" is not in "USA:".
  while (at > 0 && /^\w/.test(marker) && /\w/.test(text[at - 1] ?? '')) at = text.lastIndexOf(marker, at - 1)
  if (at < 0) return null
  const rest = text.slice(at + marker.length).trimStart()
  const end = rest.search(/[\r\n]/)
  return (end < 0 ? rest : rest.slice(0, end)).trim()
}

/** Emphasis, LaTeX and an "the answer is" that people and models put around a number. */
function undress(line: string): string {
  return line
    .replaceAll(/\*\*|__|`|\\[()[\]]|\\boxed|\\text|\\,|\\!/g, '')
    .replaceAll(/\\([$%])/g, '$1')
    .replaceAll(/[{}]/g, '')
    .trim()
}

function answerValue(line: string): Rational | null {
  const text = undress(line)
  const leading = leadingNumber(text)
  if (leading !== null) return leading.value
  const equals = text.lastIndexOf('=')
  if (equals >= 0) return leadingNumber(text.slice(equals + 1).trim())?.value ?? null
  const numbers = numbersIn(text)
  return numbers.length === 1 ? (numbers[0] ?? null) : null
}

/** Numbers that begin at a word boundary, in order. */
function numbersIn(text: string): Rational[] {
  const values: Rational[] = []
  for (const match of text.matchAll(/(?<![\w.,])(?:[-−–]\s?)?[$£€]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)/g)) {
    const value = leadingNumber(match[0].replace(/,$/, ''))?.value
    if (value !== undefined) values.push(value)
  }
  return values
}

function lastNumber(text: string): FinalAnswer | null {
  const value = numbersIn(text).at(-1)
  return value === undefined ? null : { text: format(value), value }
}
