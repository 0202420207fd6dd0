import { describe, expect, test } from 'vitest'
import { readAction } from '../../src/traces/action.ts'

describe('arguments', () => {
  test.each<[string, (number | string)[]]>([
    ['[]', []],
    ['[ ]', []],
    ['[0, 2]', [0, 2]],
    ['[ 0 ,2 ]', [0, 2]],
    ['[-1]', [-1]],
    ["[0, 'Max']", [0, 'Max']],
    [String.raw`[0, \"Max\"]`, [0, 'Max']],
    ['[0, "Max"]', [0, 'Max']],
    ['[0, &quot;Max&quot;]', [0, 'Max']],
    [String.raw`['Max\'s cat', 'a\\b']`, ["Max's cat", String.raw`a\b`]],
    ["['∀x (P(x) → Q(x))', '']", ['∀x (P(x) → Q(x))', '']],
    ["['a, b]']", ['a, b]']],
    ['[123456789]', [123456789]],
  ])('%s', (args, expected) => {
    const read = readAction(`<Option type="MODUS_PONENS" args="${args}" />`)
    expect(read).toEqual({ ok: true, action: { name: 'MODUS_PONENS', args: expected }, trailing: false })
  })

  test.each([
    '[0,]',
    '[,0]',
    '[0 1]',
    '[left]',
    '[1.5]',
    '[+1]',
    '[1a]',
    '[1',
    "['a]",
    "['a'",
    String.raw`['a\']`,
    '[[0]]',
    '[0]]',
    '[１]',
    '[1234567890]',
    '[-]',
    '["a]',
    "['a', ]",
    String.raw`[\'a\']`,
    '',
  ])('%s cannot be read', (args) => {
    expect(readAction(`<Option type="X" args="${args}" />`).ok).toBe(false)
  })
})

describe('form', () => {
  test.each([
    '<Option type="X" args="[]"/>',
    '<Option\ttype="X"  args="[]"   />',
    '  <Option type="X" args="[]" />  ',
  ])('white space is free: %s', (text) => {
    expect(readAction(text)).toMatchObject({ ok: true, trailing: false })
  })

  test('what follows on the line is reported', () => {
    expect(readAction('<Option type="X" args="[]" /> so there')).toMatchObject({ ok: true, trailing: true })
  })

  test.each([
    ['', 'does not start with <Option'],
    ['MODUS_PONENS [0, 1]', 'does not start with <Option'],
    ['<option type="X" args="[]" />', 'does not start with <Option'],
    ['<Option args="[]" type="X" />', 'type="NAME" is missing'],
    ['<Option type="" args="[]" />', 'type="NAME" is missing'],
    ['<Option type="A B" args="[]" />', 'type="NAME" is missing'],
    ['<Option type="Х" args="[]" />', 'type="NAME" is missing'],
    ["<Option type='X' args='[]' />", 'type="NAME" is missing'],
    ['<Option type="X" args="0, 1" />', 'args="[...]" is missing'],
    ['<Option type="X" />', 'args="[...]" is missing'],
    ['<Option type="X" args="[] />', 'the quote after args is missing'],
    ['<Option type="X" args="[]">', 'the closing /> is missing'],
    ['<Option type="X" args="[]"', 'the closing /> is missing'],
  ])('%s', (text, problem) => {
    const read = readAction(text)
    expect(read.ok ? '' : read.problem).toContain(problem)
  })

  test('a problem names the character', () => {
    expect(readAction('<Option type="X" args="[0, left]" />')).toEqual({
      ok: false,
      problem:
        'The action cannot be read at character 27: an argument is neither an integer nor a text in quotes.',
    })
  })
})
