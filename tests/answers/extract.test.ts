import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { growthByFour } from '../support/growth.ts'
import { cutRunOn, extractAnswer } from '../../src/answers/extract.ts'
import { parseNumber } from '../../src/answers/number.ts'
import { format } from '../../src/answers/rational.ts'

const answer = (output: string, options = {}) => extractAnswer(output, options)?.text ?? null

describe('numbers', () => {
  test.each([
    ['18', '18'],
    ['$1,875', '1875'],
    ['1,00,000', '100000'],
    ['55.50', '55.5'],
    ['55.50.', '55.5'],
    ['-7', '-7'],
    ['−7', '-7'],
    ['$-7', '-7'],
    ['-$7.25', '-7.25'],
    ['20%', '20'],
    ['.5', '0.5'],
    ['7/14', '0.5'],
    ['1/3', '1/3'],
    ['2 1/2', '2.5'],
    ['1e3', '1000'],
    ['0018', '18'],
  ])('%s is %s', (text, expected) => {
    expect(format(parseNumber(text)!)).toBe(expected)
  })

  test.each([
    '',
    'eighteen',
    '3,50',
    '1,0000',
    '5-6',
    '4:30',
    '1/0',
    '10+8',
    '3*4',
    '1.2.3',
    '5 apples',
    '--5',
  ])('%j is no number', (text) => {
    expect(parseNumber(text)).toBeNull()
  })
})

describe('the final answer', () => {
  test.each([
    ['so 9*2=18\n#### 18', '18'],
    ['#### $18.00', '18'],
    ['#### 18 dollars per day', '18'],
    ['#### **18**', '18'],
    ['#### \\boxed{18}', '18'],
    ['#### \\$1,080', '1080'],
    ['#### 9 * 2 = 18', '18'],
    ['#### She makes $18 every day.', '18'],
    ['####18', '18'],
    ['####\n18', '18'],
    ['#### 3\nno, wait\n#### 18', '18'],
    ['#### -7', '-7'],
  ])('%j gives %s', (output, expected) => {
    expect(answer(output)).toBe(expected)
  })

  test('no marker is no answer, and neither is a marker with nothing behind it', () => {
    expect(extractAnswer('The answer is 18.')).toBeNull()
    expect(extractAnswer('so 9*2=18\n#### ')).toBeNull()
    expect(extractAnswer('')).toBeNull()
  })

  test('an answer that is no single number is answered, and has no value', () => {
    for (const text of ['5-6', '9 * 2', '18 dollars and 50 cents', 'between 3 and 4', 'unknown']) {
      expect(extractAnswer(`#### ${text}`)).toEqual({ text, value: null })
    }
  })

  test('the last number counts only when asked for', () => {
    expect(answer('9 * 2 = 18 eggs, so $18.', { lastNumberFallback: true })).toBe('18')
    expect(answer('none at all', { lastNumberFallback: true })).toBeNull()
    // The fallback never overrides a marker.
    expect(answer('#### 18\nthe year 2024', { lastNumberFallback: true })).toBe('18')
  })

  test('another marker: it must begin a word, and must not be empty', () => {
    expect(answer('A: 18', { marker: 'A:' })).toBe('18')
    expect(answer('A: 18\nUSA: 20', { marker: 'A:' })).toBe('18')
    expect(answer('USA: 20', { marker: 'A:' })).toBeNull()
    expect(answer('The answer is 18.', { marker: 'The answer is' })).toBe('18')
    expect(() => extractAnswer('18', { marker: ' ' })).toThrow(/marker is empty/)
  })

  test('what follows another question does not exist', () => {
    expect(answer('#### 18\n\nQuestion:\nHow many?\nAnswer:\n#### 25')).toBe('18')
    expect(answer('#### 18</s>#### 25')).toBe('18')
    expect(cutRunOn('Question: 1?\n#### 18\nQ: 2?')).toBe('Question: 1?\n#### 18')
    // A question inside a sentence is part of the reasoning.
    expect(answer('The Question: how many? #### 18')).toBe('18')
  })
})

describe('hostile text', () => {
  const nasty = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(
        fc.constantFrom(
          '####',
          'A:',
          '1,',
          '11,',
          '.',
          '-',
          '$',
          ' ',
          '\n',
          '9',
          '/',
          '=',
          'Q',
          '{',
          '%',
          'e',
        ),
      )
      .map((parts) => parts.join('')),
  )

  test('never throws, and every value can be read back', () => {
    fc.assert(
      fc.property(nasty, fc.boolean(), (text, lastNumberFallback) => {
        const found = extractAnswer(`${text}#### ${text}`, { lastNumberFallback })
        fc.pre(found !== null && found.value !== null && found.text.length < 60)
        expect(parseNumber(found.text)).toEqual(found.value)
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    '1',
    '1,',
    '1,11,',
    '#',
    '####',
    'A:',
    'aA:',
    '\n',
    '\n ',
    '-',
    '1/',
    '1 ',
    '=',
    '{',
    'and ',
    '\\',
  ])('a megabyte of %j takes linear time', (piece) => {
    const extract = (size: number): void => {
      const text = `#### ${piece.repeat(size / piece.length)}`
      extractAnswer(text)
      extractAnswer(text, { marker: 'A:', lastNumberFallback: true })
    }
    expect(growthByFour(extract, 2 ** 18)).toBeLessThan(12)
  })
})
