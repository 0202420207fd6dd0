import { expect, test } from 'vitest'
import { sharedDataMissing } from '../../support/shared-data.ts'
import { disagreements, judgeRow, OFFICIAL_FILE, officialRows } from './official.ts'

test.skipIf(sharedDataMissing(...OFFICIAL_FILE))(
  'every verdict and every index set is the official one, in all 1,720 rows',
  () => {
    const rows = officialRows()
    expect(rows).toHaveLength(1720)
    const judged = rows.map(judgeRow)
    expect(judged.every(({ status }) => status === 'judged')).toBe(true)
    expect(disagreements(rows, judged)).toEqual({
      strict: [],
      with_skip: [],
      with_non_atomic: [],
      with_both: [],
      label_correct: [],
      correct_steps: [],
      skip_steps: [],
      non_atomic_steps: [],
      wrong_branch_steps: [],
      invalid_steps: [],
      incorrect_steps: [],
    })
  },
)
