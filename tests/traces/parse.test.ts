import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseStep, parseTrace } from '../../src/traces/parse.ts'

const MP = '<Option type="MODUS_PONENS" args="[0, 1]" />'
const END = '<Option type="CONCLUDE" args="[0]" />'

/** Thought and action of each step. */
function split(text: string): [string, string][] {
  return parseTrace(text).map(({ thought, action }) => [thought, action])
}

describe('steps', () => {
  test('Thought and Action, line by line', () => {
    expect(split(`Thought: A. So B.\nAction: ${MP}\nThought: C.\nAction: ${END}\n`)).toEqual([
      ['A. So B.', MP],
      ['C.', END],
    ])
  })

  test.each([
    ['an Action without Thought', `Action: ${MP}`, [['', MP]]],
    ['a Thought without Action', 'Thought: A.', [['A.', '']]],
    ['an empty Thought without Action', 'Thought:', [['', '']]],
    [
      'two Thoughts before one Action',
      `Thought: A.\nThought: B.\nAction: ${MP}`,
      [
        ['A.', ''],
        ['B.', MP],
      ],
    ],
    [
      'two Actions after one Thought',
      `Thought: A.\nAction: ${MP}\nAction: ${MP}`,
      [
        ['A.', MP],
        ['', MP],
      ],
    ],
    ['a Thought of several lines', `Thought: A.\n  B.\n\nAction: ${MP}`, [['A.\n  B.', MP]]],
    ['an Action that cannot be read', 'Thought: A.\nAction: modus ponens\n', [['A.', 'modus ponens']]],
    ['an empty Action', 'Thought: A.\nAction:\n', [['A.', '']]],
    ['Windows line ends', `Thought: A.\r\nAction: ${MP}\r\n`, [['A.', MP]]],
    ['indented markers', `  Thought: A.\n\tAction: ${MP}`, [['A.', MP]]],
    [
      'text that no marker introduces, before a Thought',
      `Well.\nThought: A.\nAction: ${MP}\nHm.\nThought: B.\nAction: ${MP}`,
      [
        ['Well.\nA.', MP],
        ['Hm.\nB.', MP],
      ],
    ],
    ['text that no marker introduces, before an Action', `So B.\nAction: ${MP}`, [['So B.', MP]]],
    ['text that no marker introduces, at the end', `Thought: A.\nAction: ${MP}\nTho`, [['A.', MP]]],
    ['an Action inside a Thought', `Thought: A. Action: ${MP}`, [[`A. Action: ${MP}`, '']]],
    ['markers in other letters', `thought: A.\nACTION: ${MP}\nАction: ${MP}`, []],
    ['nothing', '', []],
    ['prose', 'The answer is clearly TRUE.', []],
  ])('%s', (_name, text, steps) => {
    expect(split(text)).toEqual(steps)
  })

  test('text after CONCLUDE does not exist', () => {
    expect(split(`Action: ${END} and more\nThought: X.\nAction: ${MP}`)).toEqual([['', `${END} and more`]])
    expect(parseTrace(`Action: ${END} and more`)[0]?.option).toEqual({ name: 'CONCLUDE', args: [0] })
  })

  test('a CONCLUDE that cannot be read ends nothing', () => {
    expect(split(`Action: <Option type="CONCLUDE" args="[0"\nAction: ${MP}`)).toHaveLength(2)
  })

  test('an alias of CONCLUDE ends the trace', () => {
    const text = `Action: <Option type="ANSWER" args="[0]" />\nAction: ${MP}`
    expect(parseTrace(text, new Map([['ANSWER', 'CONCLUDE']]))).toHaveLength(1)
    expect(parseTrace(text)).toHaveLength(2)
  })

  test('text behind another action on its line spoils it', () => {
    expect(parseTrace(`Action: ${MP} ${MP}`)[0]).toMatchObject({
      option: null,
      problem: 'Something follows the action on its line.',
    })
  })

  test('a stored step may carry its marker', () => {
    expect(parseStep({ thought: 'A.', action: `Action: ${MP}` }).option?.name).toBe('MODUS_PONENS')
  })
})

test('every Action line is one step, whatever else the text holds', () => {
  const line = fc.oneof(
    fc.constantFrom('Thought: A.', 'So B.', '', 'Thought:', '  '),
    fc.constantFrom(`Action: ${MP}`, 'Action: x', 'Action:'),
    fc.string().map((text) => text.replaceAll(/[\n\r]/g, ' ')),
  )
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const isAction = (text: string): boolean => /^[ \t]*Action:/.test(text)
      const isThought = (text: string): boolean => /^[ \t]*Thought:/.test(text)
      const marked = lines.filter((text) => isAction(text) || isThought(text))
      // A Thought is a step of its own unless an Action is the next marked line.
      const expected = marked.filter((text, i) => isAction(text) || !isAction(marked[i + 1] ?? '')).length
      expect(parseTrace(lines.join('\n'))).toHaveLength(expected)
    }),
  )
})
