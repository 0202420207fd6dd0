import { describe, expect, test } from 'vitest'
import { readStatements } from '../../src/answers/equations/read.ts'
import { traceDependence } from '../../src/answers/execution.ts'
import { parseNumber } from '../../src/answers/number.ts'
import { questionNumbers } from '../../src/answers/question-numbers.ts'
import { format } from '../../src/answers/rational.ts'

const numbers = (question: string) => questionNumbers(question).map(({ value }) => format(value))
const trace = (question: string, text: string, answer: string | null) =>
  traceDependence(readStatements(text), question, answer === null ? null : parseNumber(answer))

describe('numbers of a question', () => {
  test.each([
    ['48 of her friends, then half as many', ['48', '2']],
    ['$1,500 and 20% off', ['1500', '20']],
    ['twenty-five, one hundred and five, a dozen', ['25', '105', '12']],
    ['three thousand two hundred six', ['3206']],
    ['one two three', ['1', '2', '3']],
    ['3 pens and 3 pads', ['3']],
    ['a 1/4 share', ['1', '4']],
    ['nothing here', []],
  ])('%s', (question, expected) => {
    expect(numbers(question)).toEqual(expected)
  })
})

describe('dependence of the final answer', () => {
  const question = 'Natalia sold clips to 48 friends in April, and half as many in May. How many altogether?'

  test('every number that is used reaches the answer', () => {
    expect(trace(question, '48/2 = <<48/2=24>>24\n48+24 = <<48+24=72>>72', '72')).toEqual({
      used: 2,
      reaching: 2,
    })
  })

  test('a number that is used but leads nowhere does not', () => {
    expect(trace('She has 5 cats, 3 dogs and 7 pens.', '5 + 3 = 8\n7 * 2 = 14', '8')).toEqual({
      used: 3,
      reaching: 2,
    })
  })

  test('an answer that no equation gives depends on nothing', () => {
    expect(trace(question, '48/2 = 24\n48+24 = 72', '73')).toEqual({ used: 2, reaching: 0 })
    expect(trace(question, '48/2 = 24\n48+24 = 72', null)).toEqual({ used: 2, reaching: 0 })
  })

  test('a number that is multiplied away does not reach the answer', () => {
    expect(trace('5 cats, 3 dogs', '3 * 0 = 0\n5 + 0 = 5', '5')).toEqual({ used: 2, reaching: 1 })
  })

  test('a number is a fresh result first, then the question, then a result used before', () => {
    const question = '5 cats, 3 dogs and 8 pens'
    expect(trace(question, '5 + 3 = 8\n8 * 2 = 16', '16')).toEqual({ used: 2, reaching: 2 })
    expect(trace(question, '5 + 3 = 8\n8 * 2 = 16\n16 + 8 = 24', '24')).toEqual({ used: 3, reaching: 3 })
    expect(trace('5 cats, 3 dogs', '5 + 3 = 8\n8 * 2 = 16\n8 + 1 = 9', '9')).toEqual({ used: 2, reaching: 2 })
  })

  test('a change of 1 that cancels is caught by the change of 7', () => {
    // 4 x 5 and 5 x 4
    expect(trace('4 cats', '4 * (9 - 4) = 20', '20')).toEqual({ used: 1, reaching: 1 })
  })

  test('percentages, inverses and chains are followed', () => {
    expect(trace('80 pens, 25% off', '80 * 0.75 = 60', '60')).toEqual({ used: 2, reaching: 2 })
    expect(trace('half of 48', '48 * 0.5 = 24', '24')).toEqual({ used: 2, reaching: 2 })
    expect(trace('3 boxes of 4 and 5 more', '3 * 4 + 5 = 12 + 5 = 17', '17')).toEqual({
      used: 3,
      reaching: 3,
    })
    expect(trace('a 25k loan for 4 years', '25,000 * 4 = 100,000', '100000')).toEqual({
      used: 2,
      reaching: 2,
    })
  })

  test('an answer rounded from the last result is that result', () => {
    expect(trace('80 stones, 26 per truck', '80 / 26 = 3.08', '4')).toEqual({ used: 2, reaching: 2 })
    expect(trace('80 stones, 26 per truck', '80 / 26 = 3.08\n1 + 1 = 2', '4')).toEqual({
      used: 2,
      reaching: 0,
    })
  })

  test('a wrong result is used for what it should have been', () => {
    expect(trace('5 cats and 3 dogs', '5 + 3 = 9\n9 * 2 = 18', '18')).toEqual({ used: 2, reaching: 2 })
  })

  test('repeated squaring stops at the size limit', () => {
    // Each line squares the line before and states a small number in its place.
    const lines = Array.from({ length: 60 }, (_, i) => `${100 + i} * ${100 + i} = ${101 + i}`)
    expect(trace('100 cats', lines.join('\n'), '160').used).toBe(1)
  })
})
