import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { createEntailer } from '../../../src/entailment/entailer.ts'
import { judgeChain } from '../../../src/logic/chains/judge-chain.ts'
import { readSentence } from '../../../src/logic/chains/statement.ts'
import { prepareProblem } from '../../../src/logic/checker/prepare.ts'
import type { Formula } from '../../../src/logic/formula.ts'

const CLASSES = ['impus', 'jompus', 'lempus', 'rompus'] as const

const property = fc
  .tuple(fc.boolean(), fc.constantFrom(...CLASSES))
  .map(([denied, name]) => `${denied ? 'not ' : ''}a ${name}`)
const noun = fc.constantFrom(...CLASSES)
const fact = fc
  .tuple(fc.constantFrom('Max', 'Max', 'Rex'), property)
  .map(([name, said]) => `${name} is ${said}.`)
const rule = fc.tuple(noun, property).map(([name, said]) => `Every ${name} is ${said}.`)
const pair = fc.tuple(noun, fc.constantFrom('and', 'or'), noun)
const compound = fc.oneof(
  pair.map(([a, word, b]) => `Max is a ${a} ${word} a ${b}.`),
  fc
    .tuple(pair, property)
    .map(([[a, word, b], said]) => `Everything that is a ${a} ${word} a ${b} is ${said}.`),
  fc.tuple(noun, pair).map(([name, [a, , b]]) => `Every ${name} is a ${a} and a ${b}.`),
)
const sentence = fc.oneof({ weight: 3, arbitrary: fact }, { weight: 2, arbitrary: rule }, compound)
const step = fc.oneof(
  { weight: 6, arbitrary: sentence },
  fact.map((said) => `Assume ${said}`),
  fact.map((said) => `This contradicts with ${said}`),
)

/** A theory, a query, and steps that are taken from the theory as often as not. */
const chains = fc
  .tuple(fc.array(sentence, { minLength: 2, maxLength: 7 }), fact)
  .chain(([premises, conclusion]) => {
    const steps = fc.array(fc.oneof(fc.constantFrom(...premises), step), { minLength: 4, maxLength: 14 })
    return steps.map((said) => ({ problem: { premises, conclusion }, said }))
  })

test(
  'every step that is not incorrect, and every goal that is reached, is entailed',
  { timeout: 120_000 },
  async () => {
    await using entailer = createEntailer()
    const accepted = { correct: 0, skip: 0, non_atomic: 0 }
    const counts = { proofs: 0, underAssumptions: 0 }
    await fc.assert(
      fc.asyncProperty(chains, async ({ problem, said }) => {
        const judged = judgeChain(problem, said.join(' '))
        const prepared = prepareProblem(problem)
        if (!prepared.verifiable) throw new Error('The problem cannot be read.')
        const { store, premises, query, parser } = prepared
        const entailed = async (given: readonly Formula[], claim: Formula): Promise<boolean> => {
          const { entailment } = await entailer.decide({ store, premises: given, query: claim })
          return entailment === 'proved' || entailment === 'inconsistent'
        }
        const assumptions: Formula[] = []
        for (const [index, text] of said.entries()) {
          const verdict = judged.steps[index]?.verdict ?? 'incorrect'
          const [read] = readSentence(text.slice(0, -1), parser)
          if (read === undefined || read.statement.kind === 'unparseable') throw new Error(text)
          if (read.statement.kind === 'assumption') assumptions.push(read.statement.formula)
          if (verdict === 'incorrect' || verdict === 'unparseable') continue
          accepted[verdict]++
          if (assumptions.length > 0) counts.underAssumptions++
          const claim = read.statement.kind === 'contradiction' ? store.falsum() : read.statement.formula
          expect(await entailed([...premises, ...assumptions], claim), `${index}: ${text}`).toBe(true)
        }
        if (!judged.verdicts.with_both) return
        counts.proofs++
        const isProved =
          (await entailed(premises, query)) || (await entailed(premises, store.negation(query)))
        expect(isProved).toBe(true)
      }),
      { numRuns: 1500, seed: 7 },
    )
    // The test has something to say about each kind.
    for (const count of [...Object.values(accepted), ...Object.values(counts)])
      expect(count).toBeGreaterThan(10)
  },
)
