import { expect, test } from 'vitest'
import { judgeChain } from '../../../src/logic/chains/judge-chain.ts'
import { splitSentences } from '../../../src/problems/readers/fields.ts'
import { sharedDataMissing, sharedJson } from '../../support/shared-data.ts'

interface Example {
  readonly question: string
  readonly query: string
  readonly chain_of_thought: readonly string[]
  readonly answer?: 'True' | 'False'
}

/** Every deduction rule of the official generator, and the deepest chains; official_verdicts.jsonl has modus ponens only. */
const FILES = [
  '1hop_AndElim_1shot.json',
  '1hop_AndIntro_1shot.json',
  '1hop_OrElim_1shot.json',
  '1hop_OrIntro_1shot.json',
  '1hop_ProofByContra_1shot.json',
  '5hop_1shot.json',
]

test.skipIf(sharedDataMissing('prontoqa')).each(FILES)(
  'every official chain of %s is strict, and no shorter part of it is',
  (file) => {
    const groups = Object.values(sharedJson('prontoqa', file) as Record<string, Record<string, Example>>)
    const examples = groups.flatMap((group) => Object.values(group))
    expect(examples.length).toBeGreaterThanOrEqual(200)
    const refused = examples.filter(({ question, query, chain_of_thought: chain, answer }) => {
      const problem = { premises: splitSentences(question), conclusion: query }
      const judged = judgeChain(problem, `${chain.join(' ')} ${answer ?? ''}`)
      const isRight = judged.verdicts.strict && judged.sets.correct_steps.length === judged.steps.length
      const part = judgeChain(problem, chain.slice(0, -1).join(' '))
      return (
        !isRight ||
        judged.verdicts.label_correct !== (answer === undefined ? null : true) ||
        part.verdicts.with_both
      )
    })
    expect(refused.map(({ query, chain_of_thought: chain }) => `${query} ${chain.join(' ')}`)).toEqual([])
  },
)
