import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { ElenchusError } from '../errors.ts'
import type { ArithmeticQuestion } from '../problems/arithmetic/question.ts'
import { platinumOverlaySchema, platinumQuestions, readQuestions } from '../problems/arithmetic/read.ts'
import { describeIssues } from '../runs/record-line.ts'

/**
 * Reads questions of GSM8K's form. Rows that are no questions are errors, never dropped silently.
 *
 * @param options.name start of the `question_id` of rows that have none; with several files the file's name
 *   follows. Files of the same set under the same name can be compared by `elenchus compare`.
 *   @default the file's name
 * @param options.overlay the difference of GSM8K Platinum, for a file that is GSM8K's test set.
 * @throws ElenchusError `file_missing`, `record_invalid`.
 */
export async function loadQuestions(
  paths: readonly string[],
  options: { readonly name?: string | undefined; readonly overlay?: string | undefined } = {},
): Promise<readonly ArithmeticQuestion[]> {
  const questions: ArithmeticQuestion[] = []
  for (const path of paths) {
    const file = basename(path, extname(path))
    const name =
      options.name === undefined ? file : paths.length === 1 ? options.name : `${options.name}-${file}`
    questions.push(...(await loadFile(path, name)))
  }
  const ids = new Set<string>()
  for (const { question_id: id } of questions) {
    if (ids.has(id)) {
      throw new ElenchusError(
        'record_invalid',
        `The question_id "${id}" stands twice in ${paths.join(', ')}.`,
      )
    }
    ids.add(id)
  }
  return options.overlay === undefined ? questions : overlaid(questions, options.overlay)
}

async function loadFile(path: string, name: string): Promise<readonly ArithmeticQuestion[]> {
  const { questions, issues } = readQuestions(await read(path), name, path)
  const [first] = issues
  if (first !== undefined) {
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
    throw new ElenchusError('record_invalid', `${path}: ${first.position}: ${first.message}${more}`)
  }
  if (questions.length === 0) throw new ElenchusError('record_invalid', `${path} holds no questions.`)
  return questions
}

async function overlaid(test: readonly ArithmeticQuestion[], path: string): Promise<ArithmeticQuestion[]> {
  let value: unknown
  try {
    value = JSON.parse(await read(path))
  } catch (cause) {
    if (ElenchusError.is(cause)) throw cause
    throw new ElenchusError('record_invalid', `${path} is not JSON.`, { cause })
  }
  const overlay = platinumOverlaySchema.safeParse(value)
  if (!overlay.success) {
    throw new ElenchusError('record_invalid', `${path} is no overlay: ${describeIssues(overlay.error)}.`)
  }
  return platinumQuestions(test, overlay.data)
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new ElenchusError('file_missing', `Cannot read the questions in ${path}.`, {
      hint: 'Check the path. `elenchus data generate --task arithmetic` makes questions; where GSM8K is: docs/data.md.',
      cause,
    })
  }
}
