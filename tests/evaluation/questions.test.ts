import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { GenerateOptions, GenerateRequest, PolicyRef } from '../../src/backends/backend.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { questionEvaluationSchema } from '../../src/config/evaluation-questions.ts'
import { coherenceOf, compareCoherence } from '../../src/evaluation/questions-coherence.ts'
import {
  questionMetrics,
  questionRowSchema,
  type QuestionRow,
} from '../../src/evaluation/questions-metrics.ts'
import { coherenceFile, runQuestionEvaluation } from '../../src/evaluation/questions-stage.ts'
import { generateQuestions } from '../../src/problems/arithmetic/generate.ts'
import { renderAbelPrompt } from '../../src/prompts/abel.ts'
import { scoredGroupSchema, type RolloutGroup, type ScoredGroup } from '../../src/regime-w/group.ts'
import { rescore } from '../../src/regime-w/rescore.ts'
import type { EventSink } from '../../src/runs/events.ts'
import { readJsonl } from '../../src/runs/jsonl.ts'

const QUESTIONS = generateQuestions({ count: 10, seed: 4, split: 'held_out', style: 'terse' })
const POLICY: PolicyRef = { kind: 'base', fingerprint: 'scripted' }

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-evaluation-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('the stage', () => {
  /** Greedily right but for question 1 (wrong), 2 (silent) and 3 (endless); sampled, right every other time. */
  function answer({ prompt, seed }: GenerateRequest, { temperature }: GenerateOptions): string {
    const index = QUESTIONS.findIndex((question) => prompt === renderAbelPrompt(question.question))
    const solution = QUESTIONS[index]?.answer ?? ''
    if (temperature > 0) return seed % 2 === 0 ? solution : '#### 0'
    if (index === 1) return '#### 0'
    if (index === 2) return 'nobody knows'
    return index === 3 ? 'and '.repeat(200) : solution
  }

  async function evaluate(
    samples: number,
    changes: { readonly answer?: typeof answer; readonly events?: EventSink; readonly resume?: boolean } = {},
  ) {
    const path = join(folder, 'rows.jsonl')
    const summary = await runQuestionEvaluation(
      {
        backend: createScriptedBackend(changes.answer ?? answer),
        events: changes.events ?? (() => {}),
        resume: changes.resume ?? false,
      },
      {
        dir: join(folder, 'run'),
        path,
        config: questionEvaluationSchema.parse({ coherence_samples: samples }),
        seed: 1,
        questions: QUESTIONS,
        policy: POLICY,
      },
    )
    const rows: QuestionRow[] = []
    for await (const row of readJsonl(path, questionRowSchema)) rows.push(row)
    return { summary, rows }
  }

  test('greedy rows in question order; wrong, unanswered and truncated are three things', async () => {
    const { summary, rows } = await evaluate(0)
    expect(rows.map(({ index, question_id }) => [index, question_id])).toEqual(
      QUESTIONS.map(({ question_id }, index) => [index, question_id]),
    )
    expect(rows[1]).toMatchObject({ correct: false, prediction: '0', gold: QUESTIONS[1]?.gold_answer })
    expect(rows[2]).toMatchObject({ correct: false, prediction: null, finish_reason: 'eos' })
    expect(rows[3]).toMatchObject({ prediction: null, finish_reason: 'length', num_tokens: 512 })
    const { metrics } = summary
    expect(metrics.accuracy).toMatchObject({ value: 0.7, n: 10, method: 'wilson' })
    expect([metrics.unanswered.value, metrics.truncated.value]).toEqual([0.2, 0.1])
    expect(metrics.mean_tokens).toBe(rows.reduce((sum, row) => sum + row.num_tokens, 0) / 10)
    expect(summary.coherence).toBeNull()
  })

  test('coherence is measured on further samples and leaves the greedy rows alone', async () => {
    const plain = (await evaluate(0)).rows
    await rm(folder, { recursive: true })
    const { summary, rows } = await evaluate(4)
    expect(rows).toEqual(plain)
    expect(summary.coherence?.s_end?.value).toBeGreaterThan(0.4)
    expect(summary.coherence?.s_end?.value).toBeLessThan(1)
    expect(summary.coherence?.consistency).toMatchObject({ value: 1, method: 'bootstrap' })
  })

  test('metrics are those of the files', async () => {
    const { summary, rows } = await evaluate(4)
    expect(summary.metrics).toEqual(questionMetrics(rows))
    const groups: ScoredGroup[] = []
    const path = coherenceFile(join(folder, 'run'))
    for await (const group of readJsonl(path, scoredGroupSchema)) groups.push(group)
    expect(summary.coherence).toEqual(coherenceOf(groups, { seed: 1 }))
  })

  const pulled = () => {
    throw new Error('pulled the plug')
  }
  const failing = (left: number) => ({
    answer: (request: GenerateRequest, options: GenerateOptions) =>
      left-- === 0 ? pulled() : answer(request, options),
  })
  const afterCoherence: EventSink = ({ type, stage }) => {
    if (type === 'stage_finished' && stage === 'evaluate/coherence') pulled()
  }
  test.each([
    ['in the greedy rows', failing(4)],
    ['in the further samples', failing(10 + 4 * 5 + 2)],
    ['behind them', { events: afterCoherence }],
  ])('interrupted %s and resumed, it comes to the same', async (_, interruption) => {
    const calm = await evaluate(4)
    await rm(folder, { recursive: true })
    await expect(evaluate(4, interruption)).rejects.toThrow('pulled the plug')
    const resumed = await evaluate(4, { resume: true })
    expect(resumed.rows).toEqual(calm.rows)
    const { metrics, coherence } = calm.summary
    expect(resumed.summary).toMatchObject({ metrics, coherence })
  })
})

test('no rows are an error, not the accuracy 0', () => {
  expect(() => questionMetrics([])).toThrow(/no evaluated questions/)
})

describe('coherence', () => {
  const group = (id: string, texts: readonly string[]): ScoredGroup => {
    const raw: RolloutGroup = {
      question_id: id,
      question: 'Ana has 3 apples and buys 4. How many has she?',
      gold_answer: '7',
      trajectories: texts.map((full_text) => ({
        full_text,
        answer: full_text.split('#### ')[1] ?? null,
        num_tokens: full_text.length,
        correct: full_text.endsWith('7'),
      })),
    }
    return rescore(raw, 'trajectory')
  }
  const SOUND = '3+4=<<3+4=7>>7\n#### 7'
  const UNSOUND = '3+4=<<3+4=8>>8\n#### 8'

  test('means over answers; a score that no answer has is null, not zero', () => {
    const coherence = coherenceOf([group('a', [SOUND, UNSOUND]), group('b', [SOUND, SOUND])], { seed: 0 })
    expect(coherence.consistency).toMatchObject({ value: 0.75, n: 2 })
    expect(coherence.s_end?.value).toBe(0.75)
    const bare = coherenceOf([group('a', ['#### 7', '#### 7'])], { seed: 0 })
    expect(bare.consistency).toBeNull()
    expect(bare.s_cf).toBeNull()
    expect(bare.shape?.value).toBe(0)
  })

  test('differences are paired by question, whatever the order', () => {
    const before = [group('a', [UNSOUND, SOUND]), group('b', [SOUND, SOUND]), group('c', [UNSOUND])]
    const after = [group('b', [SOUND, SOUND]), group('a', [SOUND, SOUND])]
    const { consistency } = compareCoherence(before, after, { seed: 0 })
    expect(consistency).toMatchObject({ value: 0.25, n: 2 })
    expect(compareCoherence(before, [group('d', [SOUND])], { seed: 0 }).s_wm).toBeNull()
  })
})
