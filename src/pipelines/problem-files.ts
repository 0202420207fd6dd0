import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { ElenchusError } from '../errors.ts'
import type { Problem } from '../problems/problem.ts'
import { readProblems } from '../problems/readers/read.ts'

/**
 * Reads a problem file of any known format. Rows that are no problems are errors, never dropped silently.
 *
 * @throws ElenchusError `file_missing`, `record_invalid`.
 */
export async function loadProblems(path: string): Promise<readonly Problem[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new ElenchusError('file_missing', `Cannot read the problems in ${path}.`, {
      hint: 'Check the path. `elenchus data generate` makes problems, `elenchus data convert` turns downloads into them: docs/data.md.',
      cause,
    })
  }
  const { problems, issues } = readProblems(text, basename(path, extname(path)), undefined, path)
  const [first] = issues
  if (first !== undefined) {
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
    throw new ElenchusError('record_invalid', `${path}: ${first.position}: ${first.message}${more}`)
  }
  if (problems.length === 0) throw new ElenchusError('record_invalid', `${path} holds no problems.`)
  return problems
}

/** Several files as one list; a problem_id that stands in two of them is an error. */
export async function loadProblemFiles(paths: readonly string[]): Promise<readonly Problem[]> {
  const lists = await Promise.all(paths.map(loadProblems))
  const seen = new Map<string, string>()
  for (const [index, list] of lists.entries()) {
    const path = paths[index] ?? ''
    for (const { problem_id: id } of list) {
      const other = seen.get(id)
      if (other !== undefined) {
        throw new ElenchusError('record_invalid', `${path}: problem_id "${id}" stands in ${other} too.`)
      }
      seen.set(id, path)
    }
  }
  return lists.flat()
}
