import { describe, expect, test } from 'vitest'
import { judgeChain, type ChainProblem } from '../../../src/logic/chains/judge-chain.ts'

const PROBLEM: ChainProblem = {
  premises: [
    'Max is a cat.',
    'Every cat is a carnivore.',
    'Every carnivore is a mammal.',
    'Every mammal is a carnivore.',
    'Mammals are not bitter.',
    'Every dog is bitter.',
  ],
  conclusion: 'True or false: Max is not bitter.',
}

const SOUND =
  'Max is a cat. Every cat is a carnivore. Max is a carnivore. Every carnivore is a mammal. Max is a mammal. Mammals are not bitter. Max is not bitter. True'

/** Attacks that must not reach the goal under any reading, each with the steps that must be refused. */
const ATTACKS: Record<string, readonly [text: string, refused: readonly number[]]> = {
  'nothing at all': ['', []],
  'only an answer': ['True', []],
  'the goal alone': ['Max is not bitter. True', [0]],
  'the goal first, the reasons after it': [
    'Max is not bitter. Max is a cat. Every cat is a carnivore. Every carnivore is a mammal. Mammals are not bitter. True',
    [0],
  ],
  'the goal twice, the second resting on the first': ['Max is not bitter. Max is not bitter. True', [0, 1]],
  'the goal restated as a premise': ['We are given that Max is not bitter. Max is not bitter. True', [0, 1]],
  'the question as a step': ['True or false: Max is not bitter. True', [0]],
  'the goal as its own reason': ['Since Max is not bitter, Max is not bitter. True', [0, 1]],
  'a circle of two rules without a way in': [
    'Every mammal is a carnivore. Every carnivore is a mammal. Rex is a mammal. Rex is a carnivore. Rex is not bitter. True',
    [2, 3, 4],
  ],
  'a negation dropped in a rule': ['Max is a cat. Mammals are bitter. Max is bitter. False', [1, 2]],
  'a negation dropped in the conclusion': [SOUND.replace('Max is not bitter', 'Max is bitter'), [6]],
  'a rule turned round': [
    'Max is a cat. Every carnivore is a cat. Every dog is a cat. Every mammal is a dog. Max is bitter. False',
    [1, 2, 3, 4],
  ],
  'the consequence affirmed': ['Every dog is bitter. Max is bitter. Max is a dog. False', [1, 2]],
  'another individual': [SOUND.replaceAll('Max is not', 'Rex is not'), [6]],
  'a look-alike name (Cyrillic a)': [SOUND.replaceAll('Max', 'Mаx'), [0, 2, 4, 6]],
  'a look-alike class (Cyrillic c)': [
    'Max is a сat. Every сat is not bitter. Max is not bitter. True',
    [0, 1, 2],
  ],
  'a class that shares a prefix': [
    'Max is a catfish. Every catfish is not bitter. Max is not bitter.',
    [0, 1, 2],
  ],
  'a pronoun': ['Max is a cat. He is not bitter. True', [1]],
  'a double denial as the goal': ['It is not the case that Max is bitter. True', [0]],
  'an assumption of the goal': ['Assume Max is not bitter. Max is not bitter. True', []],
  'an assumption that the goal rests on': [
    'Assume Max is a dog. Every dog is bitter. Max is bitter. False',
    [],
  ],
  'a contradiction with what was not said': [
    'Assume Max is bitter. This contradicts with Max is furry. Max is not bitter.',
    [1, 2],
  ],
  'a contradiction announced': [
    'Assume Max is bitter. There is a contradiction. Max is not bitter. True',
    [1, 2],
  ],
  'a contradiction of two wrong steps': [
    'Max is furry. Max is not furry. This contradicts with Max is furry. Max is not bitter. True',
    [0, 1, 2, 3],
  ],
  'cases that are not all there': [
    'Assume Max is a cat. Max is a carnivore. Since Max is a cat or a dog, Max is not bitter. True',
    [3],
  ],
  'a bridge over a wrong sentence': ['Max is a cat. Max is furry. Max is not bitter. True', [1, 2]],
  'a bridge through an unreadable sentence': [
    'Max is a cat. Blah blah blah. Max is not bitter. True',
    [1, 2],
  ],
  'everything in one sentence': [SOUND.replaceAll('.', ' and'), [0]],
  'a conjunction with the goal inside': ['Max is a cat and not bitter. Max is not bitter. True', [0, 1]],
  'a rule for the occasion': [
    'Max is a cat. If Max is a cat then Max is not bitter. Max is not bitter. True',
    [1, 2],
  ],
  'the steps in another language': ['cat(Max). ∀x (cat(x) → ¬bitter(x)). ¬bitter(Max). True', [0, 1, 2]],
  'a proof behind the next question': [`Max is a cat. True\n\nQ: ${SOUND}`, []],
}

describe('attacks', () => {
  test.each(Object.entries(ATTACKS))('%s', (_name, [text, refused]) => {
    const { verdicts, sets } = judgeChain(PROBLEM, text)
    expect(verdicts).toMatchObject({
      strict: false,
      with_skip: false,
      with_non_atomic: false,
      with_both: false,
    })
    expect(sets.incorrect_steps).toEqual(expect.arrayContaining([...refused]))
    const counted = [...sets.correct_steps, ...sets.skip_steps, ...sets.non_atomic_steps]
    expect(counted.filter((index) => refused.includes(index))).toEqual([])
  })

  test('the chain that they start from is strict', () => {
    expect(judgeChain(PROBLEM, SOUND).verdicts.strict).toBe(true)
  })
})

/** Texts of megabytes; what a sentence costs must not grow with them. */
const TEXTS: Record<string, (n: number) => string> = {
  'a sound chain again and again': (n) => `${SOUND.replace(/True$/, '')}\n`.repeat(n / 7),
  'rules, and a conclusion at the end': (n) =>
    `${'Every mammal is a carnivore. '.repeat(n)}Max is not bitter.`,
  'different wrong facts': (n) => Array.from({ length: n }, (_, i) => `Max is a cat${i}.`).join(' '),
  'different individuals': (n) => Array.from({ length: n }, (_, i) => `Max${i} is a carnivore.`).join(' '),
  'different disjunctions of a fact': (n) =>
    `Max is a cat. ${Array.from({ length: n }, (_, i) => `Max is a cat or a dog${i}.`).join(' ')}`,
  'growing conjunctions': (n) => `Max is a cat. ${'Max is a cat and a cat. '.repeat(n)}`,
  'assumptions without end': (n) => Array.from({ length: n }, (_, i) => `Assume Max is a dog${i}.`).join(' '),
  'one sentence without end': (n) => 'Max is a cat and '.repeat(n),
  'commas without end': (n) => `Since ${'Max is a cat, '.repeat(n)}`,
  'connectives without end': (n) => 'so then thus '.repeat(n),
  'line breaks': (n) => '\n'.repeat(20 * n),
}

describe('length', () => {
  test.each(Object.entries(TEXTS))(
    '%s: linear',
    (_name, text) => {
      seconds(text(3500))
      // Eight times the text may take three times eight times as long, for the garbage collector's sake; quadratic is 64.
      // Under 0.05 s everything fits into the processor's cache, and says nothing of what does not.
      expect(seconds(text(28_000))).toBeLessThan(24 * Math.max(seconds(text(3500)), 0.05))
    },
    60_000,
  )
})

/** The shortest of several runs: what else the machine does can only make one longer. */
function seconds(text: string): number {
  const runs = [1, 2, 3].map(() => {
    const start = performance.now()
    judgeChain(PROBLEM, text)
    return performance.now() - start
  })
  return Math.min(...runs) / 1000
}
