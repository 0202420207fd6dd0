import { describe, expect, test } from 'vitest'
import { readProblems } from '../../../src/problems/readers/read.ts'
import { sharedDataMissing, sharedText } from '../../support/shared-data.ts'

/** file, problems, hops (0: proofs-only, of another deduction rule) */
const PRONTOQA = [
  ['1hop_1shot_random_seed101', 500, 1],
  ['2hop_1shot_random_seed101', 500, 2],
  ['3hop_1shot_random_seed101', 500, 3],
  ['4hop_1shot_random_seed101', 500, 4],
  ['5hop_1shot', 200, 5],
  ['3hop_1shot_falseontology', 200, 3],
  ['3hop_1shot_trueontology_nodistractor', 200, 3],
  ['1hop_AndElim_1shot', 100, 0],
  ['1hop_AndIntro_1shot', 100, 0],
  ['1hop_OrElim_1shot', 100, 0],
  ['1hop_OrIntro_1shot', 100, 0],
  ['1hop_ProofByContra_1shot', 100, 0],
] as const

describe.skipIf(sharedDataMissing('prontoqa'))('real files', () => {
  test.each(PRONTOQA)('PrOntoQA %s', (file, count, hops) => {
    const { format, problems, issues } = readProblems(sharedText(`prontoqa/${file}.json`), file)
    expect(format).toBe('prontoqa-official')
    expect(issues).toEqual([])
    expect(problems).toHaveLength(count)
    expect(new Set(problems.map(({ depth }) => depth))).toEqual(new Set([hops === 0 ? undefined : hops]))
    const labels = Object.keys(tally(problems.map(({ label }) => label))).sort()
    expect(labels).toEqual(hops === 0 ? ['TRUE'] : ['FALSE', 'TRUE'])
    for (const { premises, conclusion } of problems) {
      for (const sentence of [...premises, conclusion]) expect(sentence).toMatch(/^[A-Z0-9][^.:]*\.$/)
    }
  })

  test('ProofWriter', () => {
    const { format, problems, issues } = readProblems(sharedText('proofwriter/dev.json'), 'dev')
    expect([format, issues]).toEqual(['logic-llm', []])
    expect(tally(problems.map(({ label }) => label))).toEqual({ TRUE: 200, FALSE: 200, UNKNOWN: 200 })
    expect(problems[0]).toMatchObject({
      problem_id: 'ProofWriter_AttNoneg-OWA-D5-1041_Q1',
      conclusion: 'Charlie is kind.',
    })
    for (const { premises } of problems) for (const text of premises) expect(text).toMatch(/^[A-Z][^.?]*\.$/)
  })

  test('FOLIO', () => {
    const train = readProblems(sharedText('folio/folio-train.jsonl'), 'folio-train')
    expect([train.format, train.issues]).toEqual(['folio', []])
    expect(tally(train.problems.map(({ label }) => label))).toEqual({ TRUE: 388, FALSE: 286, UNKNOWN: 330 })
    expect(train.problems.filter(hasConclusionFormula)).toHaveLength(0)
    expect(train.problems.filter(isMisaligned)).toHaveLength(0)

    const validation = readProblems(sharedText('folio/folio-validation-half.jsonl'), 'folio-validation')
    expect(tally(validation.problems.map(({ label }) => label))).toEqual({ TRUE: 40, FALSE: 39, UNKNOWN: 34 })
    expect(validation.problems.filter(hasConclusionFormula)).toHaveLength(113)
    // Four rows lack the formula of their last premise; the judge calls them unverifiable.
    expect(validation.problems.filter(isMisaligned)).toHaveLength(4)
  })
})

interface Formulas {
  readonly premises: readonly string[]
  readonly premises_fol?: readonly string[] | undefined
  readonly conclusion_fol?: string | undefined
}

function isMisaligned(problem: Formulas): boolean {
  return problem.premises.length !== problem.premises_fol?.length
}

function hasConclusionFormula(problem: Formulas): boolean {
  return problem.conclusion_fol !== undefined
}

function tally(labels: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1
  return counts
}
