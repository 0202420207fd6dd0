import { describe, expect, test } from 'vitest'
import { createEntailer } from '../../../src/entailment/entailer.ts'
import { decideByClosure } from '../../../src/logic/search/closure.ts'
import { parseTheory, type ReadTheory } from '../../../src/logic/language/theory.ts'
import type { Label } from '../../../src/logic/truth.ts'
import { generateProblems, SPLITS, type GeneratorOptions } from '../../../src/problems/generator/generate.ts'
import { RULE_TYPES } from '../../../src/problems/generator/twist.ts'
import { NAMES } from '../../../src/problems/generator/vocabulary.ts'
import { problemSchema, type Problem } from '../../../src/problems/problem.ts'
import { accuracyOf, CUES } from './cues.ts'

const BASE: GeneratorOptions = { count: 300, seed: 7, split: 'train', hops: [1, 2, 3] }
const RICH: GeneratorOptions = {
  ...BASE,
  labels: ['TRUE', 'FALSE', 'UNKNOWN'],
  distractorRules: 5,
  distractorFacts: 3,
  forms: 'mixed',
}

const ENTAILMENT = { TRUE: 'proved', FALSE: 'refuted', UNKNOWN: 'unknown' } as const

function tally(values: readonly unknown[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const value of values) counts[String(value)] = (counts[String(value)] ?? 0) + 1
  return counts
}

test('one problem, to the letter', () => {
  const [problem] = generateProblems({ ...BASE, count: 1, hops: [2] })
  expect(problem).toMatchInlineSnapshot(`
    {
      "conclusion": "Alex is not hot.",
      "depth": 2,
      "entailment": "refuted",
      "gold": [
        {
          "action": "<Option type="MODUS_PONENS" args="[3, 4]" />",
          "thought": "Alex is a grimpus. [3] Every grimpus is a lorpus. [4] So Alex is a lorpus. [5]",
        },
        {
          "action": "<Option type="MODUS_PONENS" args="[5, 2]" />",
          "thought": "Alex is a lorpus. [5] Every lorpus is hot. [2] So Alex is hot. [6]",
        },
        {
          "action": "<Option type="CONCLUDE" args="[1]" />",
          "thought": "Alex is hot. [6] The query is Alex is not hot. So the answer is FALSE.",
        },
      ],
      "label": "FALSE",
      "premises": [
        "Every rompus is a brimpus.",
        "Every brimpus is not hot.",
        "Every lorpus is hot.",
        "Alex is a grimpus.",
        "Every grimpus is a lorpus.",
      ],
      "problem_id": "train-7-00000",
    }
  `)
})

describe('balance', () => {
  test('labels exactly, and hops within each label', () => {
    const problems = generateProblems({ ...RICH, count: 270 })
    expect(tally(problems.map(({ label }) => label))).toEqual({ TRUE: 90, FALSE: 90, UNKNOWN: 90 })
    const decided = problems.filter(({ label }) => label !== 'UNKNOWN')
    expect(tally(decided.map(({ label, depth }) => `${label} ${depth}`))).toEqual(
      Object.fromEntries(
        ['TRUE', 'FALSE'].flatMap((label) => [1, 2, 3].map((hops) => [`${label} ${hops}`, 30])),
      ),
    )
    expect(
      problems.filter(({ label }) => label === 'UNKNOWN').every((problem) => !('depth' in problem)),
    ).toBe(true)
  })

  test('counts that cannot be equal differ by one', () => {
    const counts = Object.values(tally(generateProblems({ ...RICH, count: 100 }).map(({ label }) => label)))
    expect(counts.toSorted((a, b) => a - b)).toEqual([33, 33, 34])
  })

  test('half of the queries are negated', () => {
    const problems = generateProblems({ ...BASE, count: 2000 })
    const negated = problems.filter(({ conclusion }) => conclusion.includes(' not ')).length
    // Five standard deviations of 2,000 fair coins.
    expect(Math.abs(negated - 1000)).toBeLessThan(112)
  })
})

describe('seeds', () => {
  test('the same settings give the same problems, and fewer of them a prefix', () => {
    const problems = generateProblems(RICH)
    expect(generateProblems(RICH)).toEqual(problems)
    expect(generateProblems({ ...RICH, count: 40 })).toEqual(problems.slice(0, 40))
  })

  test('another seed gives other problems', () => {
    const first = new Set(generateProblems(BASE).map(text))
    const second = generateProblems({ ...BASE, seed: 8 }).map(text)
    expect(second.filter((problem) => first.has(problem)).length).toBeLessThan(3)
  })
})

describe('splits', () => {
  test('share no ontology, whatever seeds, wordings and orders', () => {
    // One hop without distractors: so few ontologies exist that chance alone would make splits meet.
    const owners = new Map<string, Set<string>>()
    let again = 0
    for (const split of SPLITS) {
      for (const [seed, forms] of [
        [1, 'every'],
        [2, 'mixed'],
      ] as const) {
        const small = { count: 300, hops: [1], distractorRules: 0, distractorFacts: 0 }
        for (const problem of generateProblems({ ...small, seed, split, forms })) {
          const key = rules(problem).join(' ')
          if (owners.has(key)) again++
          owners.set(key, (owners.get(key) ?? new Set()).add(split))
        }
      }
    }
    // The same ontology came up many times, and always in one split.
    expect(again).toBeGreaterThan(500)
    expect([...owners.values()].filter((splits) => splits.size > 1)).toEqual([])
  })

  test('no problem occurs twice in one', () => {
    const problems = generateProblems({ ...BASE, count: 2000, hops: [1], distractorRules: 0 })
    expect(new Set(problems.map(text)).size).toBe(2000)
    expect(new Set(problems.map(({ problem_id: id }) => id)).size).toBe(2000)
  })
})

describe('what the premises say', () => {
  test.each(['fictional', 'real-words', 'taxonomy'] as const)('%s: the label is right', (ontology) => {
    for (const order of ['random', 'forward', 'backward'] as const) {
      for (const problem of generateProblems({ ...RICH, count: 120, order, ontology })) {
        expect(problemSchema.parse(problem)).toEqual(problem)
        // Said once by the closure of the judge, once by plain forward chaining.
        expect(problem.entailment).toBe(decideByClosure(readTheory(problem)))
        const { label, hops } = consequence(problem)
        expect(problem).toMatchObject({ label, entailment: ENTAILMENT[label] })
        expect(problem.depth).toBe(hops)
        expect(problem.premises).toHaveLength(new Set(problem.premises).size)
      }
    }
  })

  test('as many distractors as asked for', () => {
    for (const distractorRules of [0, 1, 2, 5]) {
      for (const distractorFacts of [0, 1, 4]) {
        for (const problem of generateProblems({
          ...BASE,
          count: 20,
          hops: [3],
          distractorRules,
          distractorFacts,
        })) {
          expect(rules(problem)).toHaveLength(3 + distractorRules)
          expect(problem.premises).toHaveLength(3 + distractorRules + 1 + distractorFacts)
        }
      }
    }
  })

  test('forward puts every chain in its order after the facts, backward the reverse', () => {
    const settings = {
      ...RICH,
      count: 60,
      hops: [3],
      forms: 'every' as const,
      labels: ['TRUE', 'FALSE'] as const,
    }
    for (const { gold, premises } of generateProblems({ ...settings, order: 'forward' })) {
      const used = gold!.slice(0, -1).map(({ action }) => Number(/, (\d+)\]/.exec(action)![1]))
      expect(used).toEqual(used.toSorted((a, b) => a - b))
      expect(premises.findIndex(isRule)).toBe(4)
    }
    for (const { gold, premises } of generateProblems({ ...settings, order: 'backward' })) {
      const used = gold!.slice(0, -1).map(({ action }) => Number(/, (\d+)\]/.exec(action)![1]))
      expect(used).toEqual(used.toSorted((a, b) => b - a))
      expect(premises.findLastIndex(isRule)).toBe(premises.length - 5)
    }
  })

  test('"mixed" writes all three forms, "every" one', () => {
    const opening = (forms: 'every' | 'mixed'): string[] =>
      generateProblems({ ...BASE, forms })
        .flatMap(({ premises }) => premises.filter(isRule))
        .map(
          (rule) =>
            /^(?:Every|Each) .+ is /.exec(rule)?.[0].split(' ')[0] ?? (/ are /.test(rule) ? 'plural' : rule),
        )
    expect(new Set(opening('every'))).toEqual(new Set(['Every']))
    expect(new Set(opening('mixed'))).toEqual(new Set(['Every', 'Each', 'plural']))
  })
})

describe('no cue on the surface gives the label away', () => {
  const labels = ['TRUE', 'FALSE', 'UNKNOWN'] as const
  const SETTINGS: readonly (readonly [string, Partial<GeneratorOptions>])[] = [
    ['the default', { hops: [2, 3] }],
    ['three labels', { hops: [2, 3], labels, distractorRules: 4, distractorFacts: 2 }],
    [
      'three labels, forward',
      { hops: [2], labels, distractorRules: 5, distractorFacts: 2, order: 'forward' },
    ],
    ...RULE_TYPES.slice(1).map((rule): readonly [string, Partial<GeneratorOptions>] => [
      `three labels, ${rule}`,
      { hops: [2, 3], labels, distractorRules: 6, rules: [rule] },
    ]),
    [
      'two labels, backward, mixed forms',
      { hops: [3], distractorRules: 4, order: 'backward', forms: 'mixed' },
    ],
  ]

  test.each(SETTINGS)('%s', (_, settings) => {
    const problems = generateProblems({ ...BASE, count: 4000, ...settings })
    const chance = 1 / (settings.labels?.length ?? 2)
    const accuracies = Object.entries(CUES).map(([name, cue]): [string, number] => [
      name,
      accuracyOf([cue], problems),
    ])
    accuracies.push(['all cues together', accuracyOf(Object.values(CUES), problems)])
    // Four standard deviations of 2,000 guesses are 0.045.
    expect(accuracies.filter(([, accuracy]) => accuracy > chance + 0.045)).toEqual([])
  })

  test('the cues would notice: without distractors the one mention decides', () => {
    const problems = generateProblems({ ...BASE, count: 1000, distractorRules: 0 })
    expect(accuracyOf([CUES['the first mention agrees with the query']!], problems)).toBe(1)
    expect(accuracyOf(Object.values(CUES), problems)).toBeGreaterThan(0.9)
  })
})

describe('rules besides modus ponens', () => {
  const MIXED: GeneratorOptions = { ...RICH, rules: RULE_TYPES }

  test('each rule equally often for each label and number of hops', () => {
    const problems = generateProblems({ ...MIXED, count: 3 * 3 * RULE_TYPES.length * 4 })
    const used = ({ gold = [] }: Problem): string =>
      gold.map(({ action }) => /"(\w+)"/.exec(action)?.[1]).find((name) => name !== 'MODUS_PONENS') ?? ''
    const counts = tally(problems.map((problem) => `${problem.label} ${used(problem)}`))
    expect(new Set(Object.values(counts))).toEqual(new Set([12]))
    expect(Object.keys(counts)).toHaveLength(3 * RULE_TYPES.length)
  })

  test('the labels are those of the solver', { timeout: 120_000 }, async () => {
    await using entailer = createEntailer()
    for (const problem of generateProblems({ ...MIXED, count: 90, forms: 'every' })) {
      const { entailment } = await entailer.decide(readTheory(problem))
      expect(entailment, text(problem)).toBe(ENTAILMENT[problem.label])
    }
  })

  test('the default is what it was: their drawing costs it nothing', () => {
    expect(generateProblems({ ...RICH, rules: ['modus_ponens'] })).toEqual(generateProblems(RICH))
  })

  test('splits share no ontology', () => {
    const keys = SPLITS.map(
      (split) =>
        new Set(
          generateProblems({ ...MIXED, split }).map(({ premises }) => premises.filter(isRule).sort().join()),
        ),
    )
    for (const [index, one] of keys.entries())
      for (const other of keys.slice(index + 1)) expect([...one].filter((key) => other.has(key))).toEqual([])
  })
})

describe('settings that cannot be met are refused', () => {
  const refusals: readonly (readonly [Partial<GeneratorOptions>, string])[] = [
    [{ hops: [] }, '"hops"'],
    [{ hops: [1.5] }, '"hops"'],
    [{ count: -1 }, '"count"'],
    [{ labels: [] }, '"labels"'],
    [{ labels: ['TRUE', 'TRUE'] }, '"labels"'],
    [{ rules: [] }, '"rules"'],
    [{ distractorRules: -1 }, '"distractor_rules"'],
    [{ distractorFacts: 0.5 }, '"distractor_facts"'],
    [{ labels: ['UNKNOWN'], distractorRules: 1 }, 'UNKNOWN needs "distractor_rules" of at least 2'],
    [{ hops: [20] }, '20 hops'],
    [{ ontology: 'taxonomy', hops: [6, 7] }, '7 hops'],
    [{ hops: [1], distractorRules: 0, count: 100_000 }, 'No further distinct problem'],
  ]
  test.each(refusals)('%j', (settings, message) => {
    const expected = expect.objectContaining({
      code: 'config_invalid',
      message: expect.stringContaining(message),
    })
    expect(() => generateProblems({ ...BASE, ...settings })).toThrow(expected)
  })
})

function text({ premises, conclusion }: Problem): string {
  return [...premises, conclusion].join(' ')
}

function isRule(sentence: string): boolean {
  return !NAMES.includes(sentence.split(' ')[0]!)
}

/** The rules as formulas, in an order of their own, so that neither wording nor place matters. */
function rules(problem: Problem): string[] {
  return rulesOf(problem)
    .map(({ of, predicate }) => `${of}>${predicate}`)
    .sort()
}

interface PlainRule {
  readonly of: string
  /** With "not " before it where negated. */
  readonly predicate: string
}

function rulesOf(problem: Problem): PlainRule[] {
  const theory = readTheory(problem)
  return theory.premises.flatMap((formula) => {
    if (formula.kind !== 'forall') return []
    const { body } = formula
    if (body.kind !== 'implies' || body.left.kind !== 'atom') throw new Error('a rule of another form')
    return [{ of: body.left.predicate, predicate: literal(body.right).predicate }]
  })
}

function readTheory(problem: Problem): ReadTheory {
  const theory = parseTheory(problem)
  if (!theory.ok) throw new Error(JSON.stringify(theory.reasons))
  return theory
}

function literal(formula: ReadTheory['query']): { predicate: string; name: string } {
  const atom = formula.kind === 'not' ? formula.body : formula
  if (atom.kind !== 'atom') throw new Error(`not a literal: ${formula.kind}`)
  const term = atom.terms[0]!
  return {
    predicate: formula.kind === 'not' ? `not ${atom.predicate}` : atom.predicate,
    name: term.kind === 'constant' ? term.name : '',
  }
}

/**
 * What follows by forward chaining. Complete here because no rule has a negated condition and the query is a
 * property, which is never a condition: contrapositives give only what no query asks.
 */
function consequence(problem: Problem): { label: Label; hops: number | undefined } {
  const theory = readTheory(problem)
  const { predicate, name } = literal(theory.query)
  const known = new Map<string, Map<string, number>>()
  for (const formula of theory.premises) {
    if (formula.kind === 'forall') continue
    const fact = literal(formula)
    known.set(fact.name, (known.get(fact.name) ?? new Map()).set(fact.predicate, 0))
  }
  for (const facts of known.values()) {
    for (const [of, depth] of facts) {
      for (const rule of rulesOf(problem)) {
        if (rule.of === of && !facts.has(rule.predicate)) facts.set(rule.predicate, depth + 1)
      }
    }
  }
  const facts = known.get(name) ?? new Map<string, number>()
  const opposite = predicate.startsWith('not ') ? predicate.slice(4) : `not ${predicate}`
  const label = facts.has(predicate) ? 'TRUE' : facts.has(opposite) ? 'FALSE' : 'UNKNOWN'
  return { label, hops: facts.get(predicate) ?? facts.get(opposite) }
}
