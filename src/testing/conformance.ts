import assert from 'node:assert/strict'
import { BACKEND_SPECIFICATION } from '../backends/backend.ts'
import { generateCases } from './generate-cases.ts'
import { scoreCases } from './score-cases.ts'
import { type ConformanceCase, type ConformanceOffers, type ConformanceSubject, Examinee } from './subject.ts'
import { trainingCases } from './training-cases.ts'

/**
 * What every backend must do, whatever stands behind it, as cases for any test runner:
 *
 *     for (const { group, name, run } of conformanceCases(() => subject, offers)) test(`${group}: ${name}`, run)
 *
 * `subject` is called when a case runs, so it may be made in the runner's own set-up.
 */
export function conformanceCases(
  subject: () => ConformanceSubject | Promise<ConformanceSubject>,
  offers: ConformanceOffers,
): readonly ConformanceCase[] {
  const examinee = new Examinee(subject)
  return [
    {
      group: 'interface',
      name: 'is of this version and offers exactly what its capabilities say',
      run: async () => {
        const backend = await examinee.backend()
        assert.equal(backend.specification, BACKEND_SPECIFICATION)
        const { score, train } = backend.capabilities
        assert.deepEqual({ score, train }, { score: offers.score, train: offers.train })
        assert.equal(backend.score !== undefined, score)
        assert.equal(backend.openTraining !== undefined, train)
        assert.equal((await backend.info()).fingerprint, (await backend.info()).fingerprint)
      },
    },
    ...generateCases(examinee, offers.seeds),
    ...(offers.score ? scoreCases(examinee) : []),
    ...(offers.train ? trainingCases(examinee) : []),
  ]
}
