/** `elenchus/testing`: for people who write a backend of their own. Needs no test runner. */
export { conformanceCases } from './conformance.ts'
export type { ConformanceCase, ConformanceOffers, ConformanceSubject } from './subject.ts'
