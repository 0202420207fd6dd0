import type { Report } from '../../report/report.ts'

type Found = Omit<Report, 'format' | 'made_at' | 'viewer' | 'missing'>

/** What a reader may look for and does not find, and why. */
export function whatIsMissing(found: Found): string[] {
  const { evaluations, run, calibrations, pairs, comparisons } = found
  const sentences: [boolean, string][] = [
    [evaluations.length === 0, 'Accuracy and validity: nothing has been evaluated in this directory.'],
    [
      evaluations.some(({ kind }) => kind === 'questions'),
      'Accuracy per depth: the records of questions carry no depth.',
    ],
    [
      evaluations.length > 1 && comparisons.length === 0,
      'Paired tests: no two evaluations are about the same problems.',
    ],
    [
      calibrations.length === 0,
      'Calibration: it needs several samples of a problem, whose agreement is the forecast. Records carry no probability of an answer.',
    ],
    [
      pairs.some(({ building }) => building === null),
      'Why pairs were skipped: some files of pairs have no report beside them (FILE.report.json).',
    ],
    [run.config === null, 'The configuration: the directory has no run.json.'],
    [
      evaluations.some(({ complete }) => !complete),
      'Some evaluations are unfinished: their figures are of the records so far, and will change.',
    ],
  ]
  return sentences.flatMap(([is, sentence]) => (is ? [sentence] : []))
}
