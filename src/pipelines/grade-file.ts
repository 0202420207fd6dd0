import { gradeOutput, totalGrades, type Grade, type GradeTotals } from '../answers/grade.ts'
import { ElenchusError } from '../errors.ts'
import { isPlainObject } from '../runs/json.ts'
import { readJsonl, writeJsonl } from '../runs/jsonl.ts'

export interface GradeFileOptions {
  /** Names of the fields; a dot goes into an object, as in `175b_verification.solution`. */
  readonly outputField: string
  readonly goldField: string
  /** What stands before the final answer. */
  readonly marker: string
}

/**
 * Grades anybody's outputs: one verdict per line, in order, in `<file>.graded.jsonl`.
 *
 * @throws ElenchusError `record_invalid` for a line that lacks a field or whose gold answer is no number:
 *   missing is never wrong, and never zero.
 */
export async function gradeFile(
  path: string,
  options: GradeFileOptions,
): Promise<{ readonly totals: GradeTotals; readonly gradedPath: string }> {
  const grades: Grade[] = []
  let line = 0
  for await (const row of readJsonl(path)) {
    line++
    grades.push(gradeRow(row, options, `${path}: record ${line}`))
  }
  const gradedPath = `${path}.graded.jsonl`
  await writeJsonl(gradedPath, grades)
  return { totals: totalGrades(grades), gradedPath }
}

function gradeRow(row: unknown, { outputField, goldField, marker }: GradeFileOptions, where: string): Grade {
  const output = field(row, outputField)
  const gold = field(row, goldField)
  if (typeof output !== 'string') {
    throw new ElenchusError(
      'record_invalid',
      `${where}: "${outputField}" is ${kindOf(output)}, not a text.`,
      {
        hint: 'Name the field with --output-field.',
      },
    )
  }
  if (typeof gold !== 'string' && typeof gold !== 'number') {
    const message = `${where}: "${goldField}" is ${kindOf(gold)}, not a text or a number.`
    throw new ElenchusError('record_invalid', message, { hint: 'Name the field with --gold-field.' })
  }
  try {
    return gradeOutput(output, gold, { marker })
  } catch (error) {
    if (!ElenchusError.is(error) || error.code !== 'record_invalid') throw error
    throw new ElenchusError('record_invalid', `${where}: ${error.message}`, { cause: error })
  }
}

/** A field by its name as it stands, else by its parts. */
function field(row: unknown, name: string): unknown {
  if (!isPlainObject(row)) return undefined
  if (Object.hasOwn(row, name)) return row[name]
  const dot = name.indexOf('.')
  return dot < 0 ? undefined : field(row[name.slice(0, dot)], name.slice(dot + 1))
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'missing'
  return value === null ? 'null' : `a ${typeof value}`
}
