import { describe, expect, test } from 'vitest'
import { judgeChain, type ChainProblem } from '../../../src/logic/chains/judge-chain.ts'

const CATS: ChainProblem = {
  premises: [
    'Max is a cat.',
    'Every cat is a carnivore.',
    'Carnivores are mammals.',
    'Every mammal is not bitter.',
    'Every dog is bitter.',
    'Max is furry.',
  ],
  conclusion: 'True or false: Max is bitter.',
}

const CHAIN = `Max is a cat. Every cat is a carnivore. Max is a carnivore. Carnivores are mammals. Max is a mammal.
  Every mammal is not bitter. Max is not bitter. False`

/** One letter a step: correct, skip, non-atomic, incorrect, unparseable. */
const LETTERS = { correct: 'c', skip: 's', non_atomic: 'n', incorrect: 'i', unparseable: 'u' } as const

function letters(text: string, problem: ChainProblem = CATS): string {
  return judgeChain(problem, text)
    .steps.map(({ verdict }) => LETTERS[verdict])
    .join('')
}

/** The four verdicts, as the letters of those that hold: strict, skip, non-atomic, both. */
function proves(text: string, problem: ChainProblem = CATS): string {
  const { strict, with_skip, with_non_atomic, with_both } = judgeChain(problem, text).verdicts
  return [strict && 'strict', with_skip && 'skip', with_non_atomic && 'non_atomic', with_both && 'both']
    .filter((name) => name !== false)
    .join(' ')
}

describe('verdicts', () => {
  test('a whole chain is strict, and its answer is judged apart', () => {
    expect(letters(CHAIN)).toBe('ccccccc')
    expect(proves(CHAIN)).toBe('strict skip non_atomic both')
    expect(judgeChain(CATS, CHAIN).verdicts.label_correct).toBe(true)
    expect(judgeChain(CATS, CHAIN.replace('False', 'True')).verdicts).toMatchObject({
      strict: true,
      label_correct: false,
    })
    expect(judgeChain(CATS, CHAIN.replace('False', '')).verdicts.label_correct).toBe(false)
  })

  test('the label of the problem wins over what the premises say; where neither is known, it is null', () => {
    expect(judgeChain({ ...CATS, label: 'TRUE' }, CHAIN).verdicts.label_correct).toBe(false)
    const proof = { ...CATS, conclusion: 'Prove: Max is not bitter.' }
    expect(judgeChain(proof, CHAIN).verdicts).toMatchObject({ strict: true, label_correct: null })
  })

  test('a proof of the denial is no proof of what was to be proved', () => {
    expect(proves(CHAIN, { ...CATS, conclusion: 'Prove: Max is bitter.' })).toBe('')
  })

  test('a premise that is not used does no harm, wherever it stands', () => {
    const inside = CHAIN.replace('Max is not bitter', 'Max is furry. Max is not bitter')
    expect(letters(inside)).toBe('cccccccc')
    expect(proves(inside)).toMatch(/^strict/)
  })

  test('nor does what follows the proof', () => {
    expect(proves(`${CHAIN}. Max is bitter. Bananas`)).toMatch(/^strict/)
  })

  test('a rule left out, or a premise not stated, makes a step non-atomic', () => {
    expect(letters('Max is a cat. Max is a carnivore.')).toBe('cn')
    expect(letters('Every cat is a carnivore. Max is a carnivore.')).toBe('cn')
    expect(letters('Max is a cat. Max is not bitter.')).toBe('cn')
    expect(proves('Max is a cat. Max is not bitter.')).toBe('non_atomic both')
  })

  test('what follows by one rule from a non-atomic step is one too', () => {
    expect(letters('Max is a cat. Max is a mammal. Every mammal is not bitter. Max is not bitter.')).toBe(
      'cncn',
    )
  })

  test('a rule that links two of the premises is a skip step, three are too many', () => {
    const text =
      'Max is a cat. Every cat is a mammal. Max is a mammal. Every mammal is not bitter. Max is not bitter.'
    expect(letters(text)).toBe('csscs')
    expect(proves(text)).toBe('skip both')
    expect(letters('Every cat is not bitter.')).toBe('i')
    expect(letters('Assume every cat is a mammal. Every cat is a mammal.')).toBe('cc')
  })

  test('a proof that needs both kinds has only the last verdict', () => {
    const text = 'Max is a cat. Every cat is a mammal. Max is not bitter.'
    expect(proves(text)).toBe('both')
  })

  test('modus tollens is a non-atomic step, as in the official judge', () => {
    const problem = {
      premises: ['Max is not a mammal.', 'Every cat is a mammal.'],
      conclusion: 'Max is a cat.',
    }
    expect(letters('Max is not a mammal. Every cat is a mammal. Max is not a cat.', problem)).toBe('ccn')
  })

  test('a gap has to continue the sentence before it, and never leads over a wrong one', () => {
    expect(letters('Max is not bitter.')).toBe('i')
    expect(letters('Max is a cat. Max is furry. Max is a carnivore.')).toBe('cci')
    expect(letters('Max is a cat. Max is a dog. Max is a carnivore.')).toBe('cii')
    expect(letters('Max is a mammal. Max is a cat. Max is not bitter.')).toBe('ici')
  })

  test('what was asserted without a right to is no way to go, until it is established', () => {
    expect(letters('Max is a mammal. Max is a cat. Every mammal is not bitter. Max is not bitter.')).toBe(
      'icci',
    )
    const established = CHAIN.replace('Every mammal is not bitter.', 'Every cat is a carnivore.')
    expect(letters(`Max is a mammal. ${established}`)).toBe('iccccccn')
  })

  test('a conjunct of what was said is a fact to go on from', () => {
    const problem = { ...CATS, premises: [...CATS.premises, 'Rex is furry and a cat.'] }
    expect(letters('Rex is furry and a cat. Every cat is a carnivore. Rex is a carnivore.', problem)).toBe(
      'ccn',
    )
  })

  test('a wrong branch is noted beside the verdict', () => {
    const problem = { ...CATS, premises: [...CATS.premises, 'Every cat is lazy.'] }
    const text = CHAIN.replace('Every cat is a carnivore.', 'Every cat is lazy. Every cat is a carnivore.')
    expect(judgeChain(problem, text).sets).toMatchObject({ wrong_branch_steps: [1], incorrect_steps: [] })
    expect(judgeChain(CATS, CHAIN).sets.wrong_branch_steps).toEqual([])
  })

  test('"Since A, B" is two steps; one comma decides', () => {
    expect(letters('Since Max is a cat, Max is furry.')).toBe('cc')
    expect(letters('Since Max is bitter, Max is furry.')).toBe('ic')
    expect(letters('Since Max is furry Max is a cat.')).toBe('u')
  })

  test('index sets: an unreadable step is incorrect too, a wrong rule is invalid too', () => {
    expect(judgeChain(CATS, 'Max is a cat. He is a cat. Every dog is a cat.').sets).toEqual({
      correct_steps: [0],
      skip_steps: [],
      non_atomic_steps: [],
      incorrect_steps: [1, 2],
      invalid_steps: [2],
      unparseable_steps: [1],
      wrong_branch_steps: [],
    })
  })
})

describe('assumptions', () => {
  const CHOICE: ChainProblem = {
    premises: [
      'Max is a cat or a dog.',
      'Every cat is furry.',
      'Every dog is furry.',
      'Max is not lazy.',
      'Every dog is lazy.',
    ],
    conclusion: 'Prove: Max is furry.',
  }
  const CASES = `Assume Max is a cat. Every cat is furry. Max is furry. Assume Max is a dog. Every dog is furry.
    Max is furry. Since Max is a cat or a dog, Max is furry.`

  test('both cases prove the goal, one of them does not', () => {
    expect(letters(CASES, CHOICE)).toBe('cccccccc')
    expect(proves(CASES, CHOICE)).toMatch(/^strict/)
    expect(proves(CASES.replace(/Assume Max is a dog[^]*?furry\.\s+Max is furry\./, ''), CHOICE)).toBe('')
    expect(proves(CASES.replace('Since Max is a cat or a dog, Max is furry.', ''), CHOICE)).toBe('')
  })

  test('a contradiction denies what was assumed, and nothing else', () => {
    const start =
      'Assume Max is a dog. Every dog is lazy. Max is lazy. This contradicts with Max is not lazy.'
    const denial = { ...CHOICE, conclusion: 'Prove: Max is not a dog.' }
    expect(letters(`${start} Max is not a dog.`, denial)).toBe('ccccc')
    expect(proves(`${start} Max is not a dog.`, denial)).toMatch(/^strict/)
    expect(letters(`${start} Max is not a cat.`, denial)).toBe('cccci')
    expect(letters('Assume Max is a dog. This contradicts with Max is not lazy.', denial)).toBe('ci')
  })

  test('each assumption is discharged on its own', () => {
    const start = `Assume Max is a cat. Assume Max is a dog. Every dog is lazy. Max is lazy.
      This contradicts with Max is not lazy.`
    expect(letters(`${start} Max is not a cat.`, CHOICE)).toBe('ccccci')
    const problem = {
      premises: ['Everything that is a cat and a dog is lazy.', 'Max is not lazy.'],
      conclusion: 'Prove: Max is not a dog.',
    }
    const nested = `Assume Max is a cat. Assume Max is a dog. Max is a cat and a dog.
      Everything that is a cat and a dog is lazy. Max is lazy. This contradicts with Max is not lazy. Max is not a dog.`
    expect(letters(nested, problem)).toBe('ccccccc')
    expect(proves(nested, problem)).toBe('')
  })

  test('what is assumed is not proved', () => {
    expect(proves('Assume Max is furry. Max is furry.', CHOICE)).toBe('')
  })
})

describe('problems', () => {
  test('one that cannot be read, or contradicts itself, is set apart: nothing about it is correct', () => {
    const unread = judgeChain({ ...CATS, premises: ['Max is a cat.', '???'] }, CHAIN)
    expect([unread.status, unread.verdicts.with_both, unread.sets.correct_steps]).toEqual([
      'unverifiable',
      false,
      [],
    ])
    const premises = [...CATS.premises, 'Max is bitter.']
    const inconsistent = judgeChain({ ...CATS, premises }, CHAIN)
    expect([inconsistent.status, inconsistent.verdicts.with_both]).toEqual(['inconsistent', false])
    expect(inconsistent.sets.correct_steps).toEqual([])
  })
})
