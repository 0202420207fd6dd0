import { describe, expect, test } from 'vitest'
import { conformanceCases } from '../../src/testing/conformance.ts'
import type { ConformanceOffers, ConformanceSubject } from '../../src/testing/subject.ts'

export { codeOf } from '../../src/testing/expect.ts'

/** The exported suite as tests of this runner. */
export function describeConformance(
  name: string,
  offers: ConformanceOffers,
  subject: () => ConformanceSubject,
): void {
  const cases = conformanceCases(subject, offers)
  for (const group of new Set(cases.map((each) => each.group))) {
    describe(`${name}: ${group}`, () => {
      test.each(cases.filter((each) => each.group === group))('$name', async ({ run }) => {
        await expect(run()).resolves.toBeUndefined()
      })
    })
  }
}
