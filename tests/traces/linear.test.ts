import { describe, expect, test } from 'vitest'
import { prepareProblem } from '../../src/logic/checker/prepare.ts'
import { judgeText, type LabelledProblem } from '../../src/traces/judge.ts'
import { CHAIN, formulas, render, type WrittenStep } from './problems.ts'

const step = (name: string, args: (number | string)[], thought = 'So Max is a wumpus.'): WrittenStep => ({
  name,
  args,
  thought,
})
const repeat = (count: number, at: (index: number) => WrittenStep): string =>
  render(Array.from({ length: count }, (_, i) => at(i)))

/** Texts that grow with n; what a step costs must not grow with them. */
const TEXTS: Record<string, { size: number; text: (n: number) => string; problem?: LabelledProblem }> = {
  'valid steps again and again': { size: 400, text: (n) => repeat(n, () => step('MODUS_PONENS', [1, 0])) },
  'conjunctions of the last two lines': {
    size: 400,
    text: (n) => repeat(n, (i) => step('AND_INTRO', [4 + i, 3 + i])),
  },
  'more steps than are judged': { size: 5000, text: (n) => repeat(n, () => step('MODUS_PONENS', [1, 0])) },
  'Actions without Thoughts': { size: 10_000, text: (n) => 'Action:\n'.repeat(n) },
  'Thoughts without Actions': { size: 10_000, text: (n) => 'Thought:\n'.repeat(n) },
  'lines without markers': { size: 200_000, text: (n) => 'So Max is a wumpus\n'.repeat(n) },
  'one Thought of many sentences': {
    size: 10_000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], 'Max is a yumpus. '.repeat(n))]),
  },
  'one Thought of many claims': {
    size: 8000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], 'So Max is a wumpus. '.repeat(n))]),
  },
  'one Thought of many markers': {
    size: 3000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], 'so therefore we conclude that '.repeat(n))]),
  },
  'one Thought of many different claims': {
    size: 3000,
    text: (n) =>
      render([
        step('MODUS_PONENS', [1, 0], Array.from({ length: n }, (_, i) => `So Max is a w${i}pus. `).join('')),
      ]),
  },
  'one claim without end': {
    size: 100_000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], `So Max is ${'a '.repeat(n)}`)]),
  },
  'opening brackets': { size: 500_000, text: (n) => render([step('MODUS_PONENS', [1, 0], '['.repeat(n))]) },
  'indices behind nothing': {
    size: 50_000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], '[1] '.repeat(n))]),
  },
  digits: { size: 500_000, text: (n) => render([step('MODUS_PONENS', [1, 0], `[${'1'.repeat(n)}`)]) },
  'full stops': { size: 200_000, text: (n) => render([step('MODUS_PONENS', [1, 0], '.'.repeat(n))]) },
  'commas behind a claim': {
    size: 500_000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], `So ${','.repeat(n)}`)]),
  },
  'white space': { size: 500_000, text: (n) => `Thought: So${' '.repeat(n)}Max\nAction:${' '.repeat(n)}x` },
  'connectives before a quote': {
    size: 20_000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], `${'and since '.repeat(n)}[1]`)]),
  },
  arguments: {
    size: 100_000,
    text: (n) =>
      render([
        step(
          'MODUS_PONENS',
          Array.from({ length: n }, () => 1),
        ),
      ]),
  },
  'an argument in quotes without end': {
    size: 500_000,
    text: (n) => `Action: <Option type="ASSUME" args="['${String.raw`\'`.repeat(n)}`,
  },
  'parentheses in a formula': {
    size: 3000,
    text: (n) => repeat(20, () => step('ASSUME', ['('.repeat(n)])),
    problem: formulas(['P(a)'], 'Q(a)', 'TRUE'),
  },
  'different assumptions and what follows from them': {
    size: 30,
    text: (n) =>
      repeat(2 * n, (i) => (i % 2 === 0 ? step('ASSUME', [`P(c${i})`]) : step('AND_INTRO', [i, 0]))),
    problem: formulas(['P(a)'], 'Q(a)', 'TRUE'),
  },
  'witnesses of witnesses': {
    size: 120,
    text: (n) =>
      repeat(2 * n, (i) =>
        i % 2 === 0
          ? step('UNIV_INSTANTIATION', [0, i === 0 ? 'a' : `c${i - 1}`])
          : step('EXIST_INSTANTIATION', [i, `c${i}`]),
      ),
    problem: formulas(['∀x ∃y R(x, y)'], 'Q(a)', 'TRUE'),
  },
}

/** The shortest of several runs: what else the machine does can only make one longer. */
function seconds(text: string, problem: LabelledProblem): number {
  let best = Infinity
  for (let run = 0; run < 3; run++) {
    // A problem of its own: what one run has parsed must not help the next.
    const prepared = prepareProblem(problem)
    const began = performance.now()
    judgeText(prepared, text, { claims: 'if-present' })
    best = Math.min(best, performance.now() - began)
  }
  return best / 1000
}

describe('four times the text takes about four times as long', () => {
  test.each(Object.entries(TEXTS))('%s', (_name, { size, text, problem = CHAIN }) => {
    const small = text(size)
    const large = text(4 * size)
    // Quadratic cost would be a factor of 16; below two milliseconds a ratio says nothing.
    const ratio = () => seconds(large, problem) / Math.max(seconds(small, problem), 0.002)
    expect(Math.min(ratio(), ratio())).toBeLessThan(9)
  })
})
