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
  'valid steps again and again': { size: 120, text: (n) => repeat(n, () => step('MODUS_PONENS', [1, 0])) },
  'conjunctions of the last two lines': {
    size: 120,
    text: (n) => repeat(n, (i) => step('AND_INTRO', [4 + i, 3 + i])),
  },
  'more steps than are judged': { size: 2500, text: (n) => repeat(n, () => step('MODUS_PONENS', [1, 0])) },
  'Actions without Thoughts': { size: 5000, text: (n) => 'Action:\n'.repeat(n) },
  'Thoughts without Actions': { size: 5000, text: (n) => 'Thought:\n'.repeat(n) },
  'lines without markers': { size: 100_000, text: (n) => 'So Max is a wumpus\n'.repeat(n) },
  'one Thought of many sentences': {
    size: 5000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], 'Max is a yumpus. '.repeat(n))]),
  },
  'one Thought of many claims': {
    size: 4000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], 'So Max is a wumpus. '.repeat(n))]),
  },
  'one Thought of many markers': {
    size: 1500,
    text: (n) => render([step('MODUS_PONENS', [1, 0], 'so therefore we conclude that '.repeat(n))]),
  },
  'one Thought of many different claims': {
    size: 1500,
    text: (n) =>
      render([
        step('MODUS_PONENS', [1, 0], Array.from({ length: n }, (_, i) => `So Max is a w${i}pus. `).join('')),
      ]),
  },
  'one claim without end': {
    size: 50_000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], `So Max is ${'a '.repeat(n)}`)]),
  },
  'opening brackets': { size: 250_000, text: (n) => render([step('MODUS_PONENS', [1, 0], '['.repeat(n))]) },
  'indices behind nothing': {
    size: 25_000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], '[1] '.repeat(n))]),
  },
  digits: { size: 250_000, text: (n) => render([step('MODUS_PONENS', [1, 0], `[${'1'.repeat(n)}`)]) },
  'full stops': { size: 100_000, text: (n) => render([step('MODUS_PONENS', [1, 0], '.'.repeat(n))]) },
  'commas behind a claim': {
    size: 250_000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], `So ${','.repeat(n)}`)]),
  },
  'white space': { size: 250_000, text: (n) => `Thought: So${' '.repeat(n)}Max\nAction:${' '.repeat(n)}x` },
  'connectives before a quote': {
    size: 10_000,
    text: (n) => render([step('MODUS_PONENS', [1, 0], `${'and since '.repeat(n)}[1]`)]),
  },
  arguments: {
    size: 50_000,
    text: (n) =>
      render([
        step(
          'MODUS_PONENS',
          Array.from({ length: n }, () => 1),
        ),
      ]),
  },
  'an argument in quotes without end': {
    size: 250_000,
    text: (n) => `Action: <Option type="ASSUME" args="['${String.raw`\'`.repeat(n)}`,
  },
  'parentheses in a formula': {
    size: 1500,
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
    size: 60,
    text: (n) =>
      repeat(2 * n, (i) =>
        i % 2 === 0
          ? step('UNIV_INSTANTIATION', [0, i === 0 ? 'a' : `c${i - 1}`])
          : step('EXIST_INSTANTIATION', [i, `c${i}`]),
      ),
    problem: formulas(['∀x ∃y R(x, y)'], 'Q(a)', 'TRUE'),
  },
}

/** Mean processor time of one run: unlike time on the clock, other work on the machine does not change it much. */
function cost(text: string, problem: LabelledProblem): number {
  const began = process.cpuUsage()
  for (let runs = 1; ; runs++) {
    // A problem of its own: what one run has parsed must not help the next.
    judgeText(prepareProblem(problem), text, { claims: 'if-present' })
    const { user } = process.cpuUsage(began)
    if (user >= ENOUGH_MICROSECONDS) return user / runs
  }
}

/** The clock of the processor time is coarse. */
const ENOUGH_MICROSECONDS = 40_000
const FACTOR = 8
/** Linear cost gives a ratio of 8, quadratic cost one of 64. */
const LARGEST_RATIO = 24

describe(`${FACTOR} times the text does not take ${LARGEST_RATIO} times as long`, () => {
  test.each(Object.entries(TEXTS))('%s', (_name, { size, text, problem = CHAIN }) => {
    const small = text(size)
    const large = text(FACTOR * size)
    let ratio = Infinity
    for (let attempt = 0; attempt < 3 && ratio >= LARGEST_RATIO; attempt++) {
      ratio = Math.min(ratio, cost(large, problem) / cost(small, problem))
    }
    expect(ratio).toBeLessThan(LARGEST_RATIO)
  })
})
