import { describe, expect, test } from 'vitest'
import { ElenchusError } from '../../../src/errors.ts'
import { splitSentences, statementOf } from '../../../src/problems/readers/fields.ts'
import { FORMATS } from '../../../src/problems/readers/formats.ts'
import { readProblems } from '../../../src/problems/readers/read.ts'

const OFFICIAL = {
  example1: {
    in_context_example0: { question: 'Ignored.', query: 'True or false: Max is ignored.' },
    test_example: {
      question: 'Every yumpus is a wumpus. Wumpuses are not red. Max is a yumpus.',
      query: 'True or false: Max is red.',
      chain_of_thought: [
        'Max is a yumpus.',
        'Every yumpus is a wumpus.',
        'Max is a wumpus.',
        'Wumpuses are not red.',
        'Max is not red.',
      ],
      answer: 'False',
    },
  },
  example2: {
    test_example: {
      question: 'Max is a vumpus. Max is bitter.',
      query: 'Prove: Max is a bitter vumpus.',
      chain_of_thought: ['Max is a vumpus.', 'Max is bitter.', 'Max is a bitter vumpus.'],
    },
  },
}

function lines(...rows: unknown[]): string {
  return rows.map((row) => JSON.stringify(row)).join('\n')
}

describe('official PrOntoQA', () => {
  test('gives premises, statement, label and hops', () => {
    const { format, problems, issues } = readProblems(JSON.stringify(OFFICIAL), '2hop')
    expect(format).toBe('prontoqa-official')
    expect(issues).toEqual([])
    expect(problems[0]).toEqual({
      problem_id: '2hop-example1',
      premises: ['Every yumpus is a wumpus.', 'Wumpuses are not red.', 'Max is a yumpus.'],
      conclusion: 'Max is red.',
      label: 'FALSE',
      depth: 2,
      chain_of_thought: OFFICIAL.example1.test_example.chain_of_thought,
    })
  })

  test('labels a proofs-only problem TRUE and claims no hops for it', () => {
    const problem = readProblems(JSON.stringify(OFFICIAL), '2hop').problems[1]
    expect(problem).toMatchObject({ conclusion: 'Max is a bitter vumpus.', label: 'TRUE' })
    expect(problem).not.toHaveProperty('depth')
  })

  test('refuses a question without an answer at the place where it is missing', () => {
    const { answer: _, ...unanswered } = OFFICIAL.example1.test_example
    const file = { ...OFFICIAL, example1: { test_example: unanswered } }
    const { problems, issues } = readProblems(JSON.stringify(file), '2hop')
    expect(problems.map(({ problem_id: id }) => id)).toEqual(['2hop-example2'])
    expect(issues).toEqual([{ position: '.example1.test_example.answer', message: 'is missing' }])
  })

  test('refuses a query of another kind', () => {
    const file = {
      example1: { test_example: { ...OFFICIAL.example1.test_example, query: 'Is Max red?' } },
    }
    expect(readProblems(JSON.stringify(file), '2hop').issues).toMatchObject([
      { position: '.example1.test_example.query' },
    ])
  })
})

describe('the other formats', () => {
  test('Logic-LLM: the letter is read through the options', () => {
    const row = {
      id: 'ProntoQA_1',
      context: 'Each jompus is fruity. Max is a jompus.',
      question: 'Is the following statement true or false? Max is not fruity.',
      options: ['A) True', 'B) False'],
      answer: 'B',
      raw_logic_programs: ['ignored'],
    }
    const swapped = { ...row, id: 'ProntoQA_2', options: ['A) False', 'B) True'] }
    const { format, problems } = readProblems(JSON.stringify([row, swapped]), 'dev')
    expect(format).toBe('logic-llm')
    expect(problems).toEqual([
      {
        problem_id: 'ProntoQA_1',
        premises: ['Each jompus is fruity.', 'Max is a jompus.'],
        conclusion: 'Max is not fruity.',
        label: 'FALSE',
      },
      expect.objectContaining({ problem_id: 'ProntoQA_2', label: 'TRUE' }),
    ])
  })

  test('Logic-LLM: an answer that is no label is refused', () => {
    const row = { id: 1, context: 'A b.', question: 'Who?', options: ['A) Max', 'B) Sally'], answer: 'A' }
    const { problems, issues } = readProblems(JSON.stringify([row]), 'dev')
    expect(problems).toEqual([])
    expect(issues).toMatchObject([{ position: '[0].answer' }])
  })

  test('problem records: labels in any spelling, unknown fields kept', () => {
    const row = {
      problem_id: 'a',
      premises: ['Max is red.'],
      conclusion: 'Max is red.',
      label: 'True',
      source: 'x',
    }
    const { format, problems } = readProblems(
      lines(row, { ...row, problem_id: 'b', label: 'uncertain' }),
      'set',
    )
    expect(format).toBe('problems')
    expect(problems).toEqual([
      { ...row, label: 'TRUE' },
      { ...row, problem_id: 'b', label: 'UNKNOWN' },
    ])
  })

  test('question and answer rows, with the premises under either name', () => {
    const row = {
      question: 'Max is a vumpus. Vumpuses are red.',
      query: 'True or false: Max is red.',
      answer: 'True',
    }
    const { format, problems } = readProblems(
      lines({ ...row, id: 7 }, { query: row.query, context: row.question, answer: false }),
      'hub',
    )
    expect(format).toBe('question-answer')
    expect(problems.map(({ problem_id, label, premises }) => [problem_id, label, premises.length])).toEqual([
      ['7', 'TRUE', 2],
      ['hub-2', 'FALSE', 2],
    ])
  })

  test('FOLIO: "Uncertain" is UNKNOWN, and places without sentence and formula are left out together', () => {
    const row = {
      premises: ['', 'All cats purr. ', 'Tom is a cat.'],
      'premises-FOL': ['', '∀x (Cat(x) → Purrs(x))', 'Cat(tom)', ''],
      conclusion: 'Tom purrs.',
      'conclusion-FOL': 'Purrs(tom)',
      label: 'Uncertain',
    }
    const joined = { ...row, example_id: 3, premises: row.premises.join('\n'), 'premises-FOL': undefined }
    const { format, problems } = readProblems(lines(row, joined), 'folio-dev')
    expect(format).toBe('folio')
    expect(problems[0]).toEqual({
      problem_id: 'folio-dev-1',
      premises: ['All cats purr.', 'Tom is a cat.'],
      premises_fol: ['∀x (Cat(x) → Purrs(x))', 'Cat(tom)'],
      conclusion: 'Tom purrs.',
      conclusion_fol: 'Purrs(tom)',
      label: 'UNKNOWN',
    })
    expect(problems[1]).toMatchObject({ problem_id: 'folio-3', premises: problems[0]!.premises })
    expect(problems[1]).not.toHaveProperty('premises_fol')
  })

  test('FOLIO: a premise without a formula is not paired with its neighbour’s', () => {
    const row = { premises: ['A.', 'B.'], 'premises-FOL': ['', 'B(b)'], conclusion: 'C.', label: 'True' }
    expect(readProblems(lines(row), 'folio').problems[0]?.premises_fol).toEqual(['', 'B(b)'])
  })
})

describe('what cannot be read', () => {
  const row = { problem_id: 'a', premises: [], conclusion: 'Max is red.', label: 'TRUE' }

  test('lines at fault are named, and the names of the others do not move', () => {
    const good = { premises: ['Max is red.'], conclusion: 'Max is red.', label: 'True' }
    const text = `${lines(good)}\n{"premises": [\n\n${lines({ ...good, label: 'perhaps' }, good)}\n`
    const { problems, issues } = readProblems(text, 'set')
    expect(problems.map(({ problem_id: id }) => id)).toEqual(['set-1', 'set-5'])
    expect(issues.map(({ position }) => position)).toEqual(['line 2', 'line 4.label'])
  })

  test('a name used twice is refused', () => {
    const { problems, issues } = readProblems(lines(row, row), 'set')
    expect(problems).toHaveLength(1)
    expect(issues).toEqual([{ position: 'line 2', message: 'problem_id "a" is already that of line 1' }])
  })

  test('an unknown format says which fields are there and which formats are known', () => {
    const error = thrownBy(() => readProblems(lines({ input: 'x', target: 'y' }), 'set'))
    expect(error.code).toBe('record_invalid')
    expect(error.message).toContain('line 1')
    expect(error.message).toContain('input, target')
    for (const { description } of Object.values(FORMATS)) expect(error.hint).toContain(description)
  })

  test('a damaged JSON file is reported as such, not as lines', () => {
    const text = JSON.stringify(OFFICIAL, null, 1).slice(0, -20)
    expect(thrownBy(() => readProblems(text, '2hop')).message).toMatch(/^2hop is neither JSON nor JSON lines/)
    expect(thrownBy(() => readProblems('', 'set')).message).toBe('set is empty.')
    expect(thrownBy(() => readProblems('[]', 'set')).message).toContain('first record is missing')
    expect(thrownBy(() => readProblems('3', 'set')).message).toContain('single number')
  })
})

describe('text', () => {
  test('sentences end at full stops, not at abbreviations', () => {
    expect(splitSentences('Mr. Smith is red.  Every A is B. Is C?\nD')).toEqual([
      'Mr. Smith is red.',
      'Every A is B.',
      'Is C?',
      'D',
    ])
    expect(splitSentences('John F. Kennedy won. He is 1.80 m tall.')).toHaveLength(2)
    expect(splitSentences('Max eats vitamin C. Sally does not.')).toHaveLength(2)
    expect(splitSentences(' ')).toEqual([])
  })

  test('a question is taken off its statement', () => {
    expect(statementOf('True or false: Max is red.')).toBe('Max is red.')
    expect(statementOf('Is the following statement true, false, or uncertain? Max is red.')).toBe(
      'Max is red.',
    )
    expect(statementOf('Max is red.')).toBe('Max is red.')
  })
})

function thrownBy(run: () => unknown): ElenchusError {
  try {
    run()
  } catch (error) {
    if (ElenchusError.is(error)) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
