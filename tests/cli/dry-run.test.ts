import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { normaliseFlags } from '../../src/cli/argv.ts'
import { createProgram } from '../support/program.ts'
import { writeStageInputs } from '../support/stage-inputs.ts'

const folder = mkdtempSync(join(tmpdir(), 'elenchus-dry-'))
const here = process.cwd()
beforeAll(() => {
  process.chdir(folder)
  writeStageInputs(folder, {
    questions: ['q.jsonl'],
    problems: ['p.jsonl'],
    traces: ['t.jsonl'],
    pairs: ['pairs.jsonl'],
    adapters: ['adapter'],
  })
  writeFileSync('empty.jsonl', '')
  writeFileSync('c.yaml', 'pipeline: oak\n')
})
afterAll(() => {
  process.chdir(here)
  rmSync(folder, { recursive: true })
})

async function dryRun(line: string): Promise<string> {
  const shown: string[] = []
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => shown.push(String(text)) > 0)
  try {
    await createProgram().parseAsync(normaliseFlags(['node', 'elenchus', ...line.split(' '), '--dry-run']))
  } finally {
    out.mockRestore()
  }
  return shown.join('')
}

const MODEL = '--model mistralai/Mistral-7B-v0.1'
const QUESTIONS = `rollouts ${MODEL} --data-path q.jsonl --out-path o.jsonl`

describe('--dry-run of a stage', () => {
  test.each(['--n-gpus 2', '--num-gpus 2', '--gpus 0,1'])('rollouts %s has two workers', async (flag) => {
    const text = await dryRun(`${QUESTIONS} ${flag}`)
    expect(text.match(/^# rank \d, on this machine$/gm)).toHaveLength(2)
    expect(text).toMatch(/^# rollouts: mistralai\/Mistral-7B-v0.1 on 2 x H100$/m)
  })

  test.each([
    [
      `sft ${MODEL} --data p.jsonl --output o --learning-rate 1e-4 --batch-size 8`,
      /^# sft +1 steps of 8 demonstrations +\d+/m,
    ],
    [`dpo ${MODEL} --pairs pairs.jsonl --output o --batch-size 1`, /^# dpo +1 steps of 4 pairs +\d+/m],
    [`dpo --model adapter --traces t.jsonl --output o`, /^# dpo +1 steps of 16 pairs +\d+/m],
    [
      `ppo ${MODEL} --data-path q.jsonl --output o`,
      /^# ppo +500 iterations of 4 questions x 1 answers +\d+/m,
    ],
    [`${QUESTIONS} --arms 6`, /^# rollouts +3 questions x 6 samples +\d+/m],
    [`traces ${MODEL} --data p.jsonl --output o`, /^# traces +1 problems x 2 samples +\d+/m],
    [`evaluate ${MODEL} --data p.jsonl --output o`, /^# evaluation +1 problems +\d+/m],
    [`evaluate ${MODEL} --task gsm8k --data q.jsonl --output o`, /^# evaluation +3 questions +\d+/m],
  ])('%s shows its work and memory, and writes nothing', async (line, plan) => {
    const before = readdirSync(folder)
    expect(await dryRun(`${line} --gpus 0`)).toMatch(plan)
    expect(readdirSync(folder)).toEqual(before)
  })

  test('of a model that nothing is known of shows the work alone', async () => {
    const text = await dryRun('dpo --model somebody/something --pairs pairs.jsonl --output o --json')
    const { plan } = JSON.parse(text) as { plan: { stages: { memory: null }[]; assumptions: string[] } }
    expect(plan.stages[0]?.memory).toBeNull()
    expect(plan.assumptions.join()).toMatch(/nothing is known of somebody\/something/)
  })

  test.each([
    [`ppo ${MODEL} --data-path q.jsonl --output o --top-p 0.9`, 'usage', /--top-p 0.9/],
    [`ppo ${MODEL} --data-path q.jsonl --output o --lora-dropout 0.1`, 'config_invalid', /dropout/],
    [`ppo ${MODEL} --data-path empty.jsonl --output o`, 'record_invalid', /: empty\.jsonl is empty/],
    [
      `sft ${MODEL} --data c.yaml --output o --learning-rate 1 --batch-size 1`,
      'record_invalid',
      /: c\.yaml is neither/,
    ],
    [`ppo ${MODEL} --data-path c.yaml --output o`, 'record_invalid', /: c\.yaml is neither/],
    [`dpo ${MODEL} --pairs /nope --output o`, 'file_missing', /\/nope/],
    [`dpo ${MODEL} --pairs empty.jsonl --output o`, 'no_pairs', /empty\.jsonl holds no preference pair/],
    [`dpo ${MODEL} --traces /nope --output o`, 'file_missing', /\/nope/],
    [`dpo ${MODEL} --output o`, 'usage', /either --traces or --pairs/],
    [`dpo ${MODEL} --traces t.jsonl --output o --min-validity-gap 7`, 'usage', /--min-validity-gap 7/],
    [`dpo --model ./nowhere --pairs pairs.jsonl --output o`, 'file_missing', /no model in/],
    [`sft ${MODEL} --data /nope --output o --learning-rate 1e-4 --batch-size 8`, 'file_missing', /\/nope/],
    [`rollouts ${MODEL} --data-path /nope --out-path o.jsonl`, 'file_missing', /\/nope/],
    [`${QUESTIONS} --temperature [0.5,1]`, 'config_invalid', /"temperature" lists 2 values/],
    [`traces ${MODEL} --data p.jsonl --output o --samples-per-problem 0`, 'usage', /--samples-per-problem 0/],
    [`traces ${MODEL} --data p.jsonl --output o --base-url http://x`, 'usage', /--backend openai only/],
    [`evaluate ${MODEL} --data p.jsonl --output o --coherence-samples 4`, 'usage', /--coherence-samples/],
    [`merge ${MODEL} --output o`, 'usage', /no adapter folder/],
  ])('%s is refused as without it', async (line, code, message) => {
    const failure = await dryRun(line).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code })
    expect(String(failure)).toMatch(message)
    expect(existsSync('o')).toBe(false)
  })
})
