import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { growthByFour } from '../../support/growth.ts'
import { evaluate } from '../../../src/answers/equations/expression.ts'
import { judge } from '../../../src/answers/equations/holds.ts'
import { MAX_STATEMENTS, readStatements } from '../../../src/answers/equations/read.ts'
import { format } from '../../../src/answers/rational.ts'
import { sharedDataMissing, sharedJsonl } from '../../support/shared-data.ts'

/** The values of the sides of each statement, as text. */
function sides(text: string): string[][] {
  return readStatements(text).map((statement) =>
    statement.sides.map(({ expression }) => {
      const value = evaluate(expression)
      return value === null ? 'undefined' : format(value)
    }),
  )
}

/** Equations and how many hold, over a whole text. */
function totals(text: string): [number, number] {
  const verdicts = readStatements(text).map(judge)
  return [verdicts.reduce((n, v) => n + v.equations, 0), verdicts.reduce((n, v) => n + v.holding, 0)]
}

describe('equations that hold', () => {
  test.each([
    ['annotation', 'She sold 48/2 = <<48/2=24>>24 clips.'],
    ['annotation alone', 'so <<16-3-4=9>>9 eggs'],
    ['plain', '16 - 3 - 4 = 9'],
    ['precedence and nested brackets', '2 * (3 + (4 - 1) * 2) - 1 = 17'],
    ['square brackets', '[2 + 3] x 4 = 20'],
    ['implicit products', '2(3+4) = 14'],
    ['chain', '3 * 4 + 5 = 12 + 5 = 17'],
    ['units', '40 cups of feed per chicken * 20 chickens = 800 cups of feed'],
    ['units per unit', '8 legs/spider * 80 spiders = 640 legs'],
    ['currency', '$2.50 × 4 = $10.00'],
    ['currency and cents', '$0.25 x 10 = 250 cents'],
    ['thousands', '80,000 + 50,000 = 130,000'],
    ['percentage of', '20% of 50 = 10'],
    ['percentages', '100% - 20% - 25% = 55%'],
    ['percent on one side', '100 - 20 = 80%'],
    ['as a percentage', '3 / 20 * 100% = 15'],
    ['fraction of', '3/4 of 12 = 9'],
    ['half of', 'half of the remaining 40 = 20'],
    ['words for fractions', 'two thirds of 30 = 20'],
    ['twice', 'twice 24 is 48'],
    ['words for operators', '12 divided by 4 plus 3 minus 1 times 2 equals 4'],
    ['mixed number', '2 1/2 * 4 = 10'],
    ['typographic fraction', '½ * 8 = 4'],
    ['a fraction as divisor', '25 / 1/5 = 125'],
    ['powers', '2^3 + 2**2 = 12'],
    ['LaTeX', '\\(\\frac{1}{2} \\times 8 = 4\\)'],
    ['bold', '**5 + 3 = 8**'],
    ['negative', '60 - 208 = -148'],
    ['rounded', '2000 / 75 = 26.67'],
    ['cut off', '2 / 3 = 0.66'],
    ['about', '100 / 3 ≈ 33'],
    ['floating-point noise', '.1 * 3 = 0.30000000000000004'],
    ['rounded in the prose', '2000 / 75 = <<2000/75=26.67>>26 whole flagstones'],
    ['behind a label', 'Step 2 - 5 * 3 = 15'],
    ['behind a bullet', '- 5 * 3 = 15'],
  ])('%s: %s', (_, text) => {
    const [equations, holding] = totals(text)
    expect(equations).toBeGreaterThan(0)
    expect(holding).toBe(equations)
  })
})

describe('equations that do not hold', () => {
  test.each([
    ['wrong', '16 - 3 = 12'],
    ['wrong annotation', '<<16-3=12>>12'],
    ['right annotation, wrong prose', '16 + 3 = <<16-3=13>>13'],
    ['right annotation, another number behind it', '<<16-3=13>>19'],
    ['a run-on chain', '5 + 3 = 8 * 2 = 16'],
    ['too coarse a cut', '0.19 * 1 = 0.1'],
    ['an integer that is none', '100 / 3 = 33'],
    ['off by a factor of 100', '20% * 50 = 1000'],
    ['division by zero', '5 / 0 = 0'],
    ['an annotation that cannot be read', '<<five plus three>>8'],
    ['an annotation without an equation', '<<5+3>>8'],
    ['an annotation that states another number', '<<8=9>>9'],
  ])('%s: %s', (_, text) => {
    const [equations, holding] = totals(text)
    expect(equations).toBeGreaterThan(0)
    expect(holding).toBeLessThan(equations)
  })
})

describe('no equations', () => {
  test.each([
    'She bought 5 apples and 3 pears.',
    '1 hour = 60 minutes',
    '1/2 a cup = 4 ounces',
    '2x + 8 = 22',
    '11x+15=301',
    'x + 5*2 = 22',
    'original price * 0.75 = 19.5',
    '38 - 32 = 32 + x - 32',
    'Week 1 + Week 2 = 35',
    'It is 10:00 + 2 hours = 12:00',
    '1 hour 20 minutes = (60+20)',
    '',
  ])('%j', (text) => {
    expect(totals(text)).toEqual([0, 0])
  })
})

test('what a number belongs to', () => {
  expect(sides('She ate 3 and baked 4 so 3 + 4 = <<3+4=7>>7 eggs')).toEqual([['7', '7']])
  expect(sides('She uses 7, 16 - 7 = 9 a day, so 9 * 2 = 18')).toEqual([
    ['9', '9'],
    ['18', '18'],
  ])
  expect(sides('<<1+1=2>>2\n2+2=4\n<<3+3=6>>6')).toHaveLength(3)
})

describe('hostile text', () => {
  test('never throws, and never counts more than it finds', () => {
    const piece = fc.constantFrom(
      '<<',
      '>>',
      '=',
      '(',
      ')',
      '1',
      '1/2',
      '%',
      '$',
      '-',
      '*',
      'x',
      ' of ',
      '\n',
      ' ',
      '^',
      '.',
      'half of ',
      '9',
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece, { maxLength: 60 }).map((p) => p.join('')),
        ),
        (text) => {
          for (const verdict of readStatements(text).map(judge)) {
            expect(verdict.holding).toBeLessThanOrEqual(verdict.equations)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })

  test.each([
    '(',
    '1+',
    '(1+',
    '<<',
    '<<1',
    '1=',
    '1=1+',
    '9^',
    '1 a ',
    '-',
    '$',
    '1 1/1 ',
    '1,11',
    '11,',
    'half of ',
    ' ',
    '\\frac{',
    '((1)',
    '<<1+1=2>>2 ',
  ])('a hundred kilobytes of %j takes linear time', (piece) => {
    const read = (size: number): void => {
      readStatements(piece.repeat(size / piece.length)).map(judge)
    }
    expect(growthByFour(read, 2 ** 15)).toBeLessThan(12)
  })

  test('numbers that grow without bound are refused', () => {
    expect(totals('9^9^9 = 1')).toEqual([1, 0])
    expect(totals('999999999^999999999 = 1')).toEqual([1, 0])
  })

  test('equations beyond the limit do not hold', () => {
    expect(totals('1 + 1 = 2\n'.repeat(MAX_STATEMENTS + 10))).toEqual([MAX_STATEMENTS + 10, MAX_STATEMENTS])
  })
})

describe('the equations of GSM8K', () => {
  /** Statements by source, over all rationales of a split. */
  function count(split: string) {
    const counts = { annotations: 0, unread: 0, holding: 0, plain: 0, plainHolding: 0 }
    for (const { answer } of sharedJsonl<{ answer: string }>('gsm8k', `${split}.jsonl`)) {
      for (const statement of readStatements(answer)) {
        const verdict = judge(statement)
        if (statement.source === 'annotation') {
          counts.annotations++
          if (statement.sides.length === 0) counts.unread++
          counts.holding += verdict.holding
        }
      }
      for (const statement of readStatements(answer.replaceAll(/<<[^<>]*>>/g, ''))) {
        const verdict = judge(statement)
        counts.plain += verdict.equations
        counts.plainHolding += verdict.holding
      }
    }
    return counts
  }

  test.skipIf(sharedDataMissing('gsm8k', 'train.jsonl'))(
    '23,716 annotated ones, and the same as prose',
    () => {
      expect(count('train')).toEqual({
        annotations: 23_716,
        // Both use // for integer division.
        unread: 2,
        holding: 23_694,
        plain: 24_579,
        plainHolding: 24_513,
      })
    },
  )
})
