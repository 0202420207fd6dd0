import { expect, test } from 'vitest'
import { parseTheory } from '../../../src/logic/language/theory.ts'
import { searchProof } from '../../../src/logic/search/proof-search.ts'
import { sharedDataMissing, sharedJson } from '../../support/shared-data.ts'
import { isGold, judge } from './judged.ts'

interface Example {
  readonly question: string
  readonly query: string
  readonly chain_of_thought: readonly string[]
  readonly answer?: 'True' | 'False'
}

/** File and the number of steps of its gold proofs: one modus ponens a hop, one step or the plan for the others. */
const FILES = [
  ['1hop_1shot_random_seed101.json', 1],
  ['2hop_1shot_random_seed101.json', 2],
  ['3hop_1shot_random_seed101.json', 3],
  ['4hop_1shot_random_seed101.json', 4],
  ['5hop_1shot.json', 5],
  ['3hop_1shot_falseontology.json', 3],
  ['3hop_1shot_trueontology_nodistractor.json', 3],
  ['1hop_AndElim_1shot.json', 1],
  ['1hop_AndIntro_1shot.json', 1],
  ['1hop_OrElim_1shot.json', 5],
  ['1hop_OrIntro_1shot.json', 1],
  ['1hop_ProofByContra_1shot.json', 8],
] as const

test.skipIf(sharedDataMissing('prontoqa')).each(FILES)(
  'every problem of %s is read, answered, and proved in %i steps that the checker accepts',
  (file, length) => {
    const groups = Object.values(sharedJson('prontoqa', file) as Record<string, Record<string, Example>>)
    const failures: string[] = []
    let count = 0
    for (const { question, query, answer, chain_of_thought } of groups.flatMap((group) =>
      Object.values(group),
    )) {
      count += 1
      const premises = question.match(/[^.]+\./g)?.map((sentence) => sentence.trim()) ?? []
      const theory = parseTheory({ premises, conclusion: query })
      if (!theory.ok) {
        failures.push(`${query}: ${JSON.stringify(theory.reasons)}`)
        continue
      }
      const proof = searchProof(theory)
      const right = proof.status === (answer === 'False' ? 'refuted' : 'proved')
      const unread = chain_of_thought.filter(
        (sentence) => !/^(?:Assume|Since|This)/.test(sentence) && !theory.parser.parse(sentence).ok,
      )
      if (!right || proof.steps.length !== length || unread.length > 0 || !isGold(judge(theory, proof))) {
        failures.push(`${query}: ${proof.status} in ${proof.steps.length} steps; unread: ${unread.join(' ')}`)
      }
    }
    expect(failures).toEqual([])
    expect(count).toBeGreaterThanOrEqual(200)
  },
)
