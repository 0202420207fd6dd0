import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createOpenAIBackend, type OpenAIBackend } from '../../../src/backends/openai/openai.ts'
import { generateProblems } from '../../../src/problems/generator/generate.ts'
import { renderProofPrompt, renderStep } from '../../../src/prompts/proof.ts'
import { isPlainObject } from '../../../src/runs/json.ts'
import { compile, type Compiled } from '../../support/compiled.ts'
import { Elenchus } from '../../support/elenchus.ts'
import { makeTinyProver } from '../../support/tiny-prover.ts'
import { describeConformance } from '../conformance.ts'
import { canServe, TransformersServe } from './transformers-serve.ts'

type Row = Record<string, unknown>

const FAKE_VLLM = 'tests/backends/vllm/fake-vllm.ts'

/** Every field of every record, with the names of those that contain it; not every text makes the judge take notes. */
function fieldsOf(value: unknown, name = ''): string[] {
  if (name.endsWith('.notes')) return []
  if (Array.isArray(value)) return union(value.map((item) => fieldsOf(item, `${name}[]`)))
  if (!isPlainObject(value)) return [name]
  return union(Object.entries(value).map(([key, item]) => fieldsOf(item, `${name}.${key}`)))
}

function union(lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].sort()
}

/** A real server with a real model made on the spot; the same model in our own workers is the oracle. */
describe.skipIf(!canServe)('transformers serve', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'elenchus-served-'))
  let model: string
  let server: TransformersServe
  let backend: OpenAIBackend
  let elenchus: Elenchus
  let vllm: Compiled

  beforeAll(async () => {
    model = await makeTinyProver(folder)
    server = await TransformersServe.start(model, folder)
    backend = await createOpenAIBackend({ baseUrl: server.url, model, concurrency: 4 })
    elenchus = await Elenchus.compile()
    vllm = await compile(FAKE_VLLM)
    const problems = generateProblems({ count: 6, seed: 2, split: 'held_out', hops: [1] })
    process.env['FAKE_VLLM_ANSWERS'] = join(folder, 'answers.json')
    const answers = problems.map((problem) => {
      const proof = (problem.gold ?? []).map(({ thought, action }) => renderStep(thought, action))
      return [renderProofPrompt(problem), [proof.join(''), proof.at(-1)]]
    })
    await writeFile(join(folder, 'answers.json'), JSON.stringify(Object.fromEntries(answers)))
    await writeFile(
      join(folder, 'proofs.jsonl'),
      problems.map((each) => `${JSON.stringify(each)}\n`).join(''),
    )
  }, 300_000)
  afterAll(async () => {
    await backend?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
    await elenchus?.[Symbol.asyncDispose]()
    await vllm?.[Symbol.asyncDispose]()
    delete process.env['FAKE_VLLM_ANSWERS']
    rmSync(folder, { recursive: true, force: true })
  })

  // Its seeds are set for the whole process: with requests in parallel they decide nothing.
  describeConformance('openai (transformers serve)', { score: false, train: false, seeds: false }, () => ({
    backend,
    prompts: ['Premises:\n', 'Thought: '],
    folder: '',
  }))

  test('is recognised, and says what it has', async () => {
    expect(backend.server).toBe('transformers')
    expect(backend.capabilities).toMatchObject({ tokenIds: false, logprobs: false, adapters: false })
    expect((await backend.info()).fingerprint).toMatch(/^[0-9a-f]{64}$/)
  })

  test('samples where it is asked to, although the model itself is greedy by default', async () => {
    const policy = { kind: 'base', fingerprint: (await backend.info()).fingerprint } as const
    const requests = Array.from({ length: 8 }, (_, seed) => ({ key: `${seed}`, prompt: 'Thought: ', seed }))
    const texts = new Set<string>()
    const options = { policy, temperature: 1.5, topP: 1, maxNewTokens: 12, stops: [] }
    for await (const { text } of backend.generate(requests, options)) texts.add(text)
    expect(texts.size).toBeGreaterThan(1)
  })

  async function rows(path: string): Promise<Row[]> {
    const text = await readFile(path, 'utf8')
    return text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Row)
  }

  /** The records of one command by one kind of backend. */
  async function recordsOf(
    kind: 'openai' | 'torch' | 'vllm',
    name: string,
    file: string,
    args: readonly string[],
  ): Promise<Row[]> {
    const output = join(folder, `${name}-${kind}`)
    const at = args.map((each) => each.replace('OUTPUT', output))
    const flags = {
      openai: ['--base-url', server.url, '--concurrency', '4'],
      torch: ['--deterministic', '--dtype', 'float32'],
      vllm: ['--vllm-command', JSON.stringify([process.execPath, vllm.script(FAKE_VLLM)])],
    }[kind]
    const ended = await elenchus.run(...at, '--backend', kind, ...flags, '--seed', '3')
    expect(ended.code, ended.stderr).toBe(0)
    return rows(join(output, file))
  }

  /** The same command by the server and by our own workers; the records of both. */
  async function both(name: string, file: string, args: readonly string[]): Promise<[Row[], Row[]]> {
    return [await recordsOf('openai', name, file, args), await recordsOf('torch', name, file, args)]
  }

  /** By a program of vLLM's manners: the texts are its own, the fields must be those of `torch`. */
  async function vllmWritesTheFieldsOf(
    own: readonly Row[],
    name: string,
    file: string,
    args: readonly string[],
  ) {
    const served = await recordsOf('vllm', name, file, args)
    expect(served).toHaveLength(own.length)
    expect(fieldsOf(served)).toEqual(fieldsOf(own))
    expect(JSON.stringify(served)).toContain('"completion_ids":')
  }

  /** What this server does not tell. */
  const withoutIds = (records: readonly Row[]): unknown =>
    JSON.parse(
      JSON.stringify(records, (key, value: unknown) =>
        key === 'completion_ids' || key === 'prompt_tokens' ? undefined : value,
      ),
    )

  test('greedy traces are the records of torch', async () => {
    const sampling = ['--temperature', '0', '--samples-per-problem', '1', '--max-new-tokens', '200']
    const limits = ['--max-steps', '2', '--max-thought-tokens', '14']
    const data = ['--data', join(folder, 'proofs.jsonl')]
    const args = ['traces', '--model', model, ...data, '--output', 'OUTPUT', ...sampling, ...limits]
    const [served, own] = await both('traces', 'traces.jsonl', args)
    expect(own).toHaveLength(6)
    expect(withoutIds(served)).toEqual(withoutIds(own))
    expect(own.map((row) => row['finish_reason'])).toContain('segment_length')
    await vllmWritesTheFieldsOf(own, 'traces', 'traces.jsonl', args)
  })

  test('greedy evaluation rows are the rows of torch', async () => {
    const data = ['--data', join(folder, 'proofs.jsonl'), '--max-new-tokens', '200', '--max-steps', '2']
    const args = ['evaluate', '--model', model, ...data, '--output', 'OUTPUT']
    const [served, own] = await both('evaluation', 'evaluation.jsonl', args)
    expect(withoutIds(served)).toEqual(withoutIds(own))
    const reasons = own.map((row) => row['finish_reason'])
    expect(reasons.some((reason) => reason === 'conclude' || reason === 'max_steps')).toBe(true)
    await vllmWritesTheFieldsOf(own, 'evaluation', 'evaluation.jsonl', args)
  })

  test('greedy rollouts are the records of torch', async () => {
    const questions = join(folder, 'questions.jsonl')
    const asked = ['How much is 2 + 3?', 'Max is a wumpus. How many?']
    const lines = asked.map((question) => JSON.stringify({ question, answer: 'so\n#### 5' }))
    await writeFile(questions, `${lines.join('\n')}\n`)
    const args = [
      'rollouts',
      '--base-model',
      model,
      '--data-path',
      questions,
      '--out-path',
      'OUTPUT/rollouts.jsonl',
    ]
    const sampling = ['--temperature', '0', '--arms', '2', '--max-new-tokens', '24']
    const [served, own] = await both('rollouts', 'rollouts.jsonl', [...args, ...sampling])
    expect(own).toHaveLength(2)
    expect(withoutIds(served)).toEqual(withoutIds(own))
    await vllmWritesTheFieldsOf(own, 'rollouts', 'rollouts.jsonl', [...args, ...sampling])
  })

  test('what vLLM generated, torch trains on: the policy is known by the same fingerprint', async () => {
    const data = ['--data', join(folder, 'proofs.jsonl')]
    const sampling = ['--temperature', '1', '--samples-per-problem', '4', '--max-new-tokens', '400']
    // Its tokens are letters.
    const limits = ['--max-thought-tokens', '300']
    const args = ['traces', '--model', model, ...data, '--output', 'OUTPUT', ...sampling, ...limits]
    const traces = await recordsOf('vllm', 'to-train', 'traces.jsonl', args)
    expect(new Set(traces.map((row) => row['trace_valid']))).toEqual(new Set([true, false]))
    const dpo = ['dpo', '--traces', join(folder, 'to-train-vllm/traces.jsonl'), '--model', model]
    const output = ['--output', join(folder, 'dpo'), '--max-steps', '2', '--batch-size', '2']
    const ended = await elenchus.run(...dpo, ...output, '--dtype', 'float32', '--json')
    expect(ended.code, ended.stderr).toBe(0)
    expect(JSON.parse(ended.stdout)).toMatchObject({ steps: 2 })
  })

  test('a setting of the other backend is refused, and so is what only torch can do', async () => {
    const base = ['evaluate', '--model', model, '--data', join(folder, 'proofs.jsonl')]
    const output = ['--output', join(folder, 'refused'), '--backend', 'openai', '--base-url', server.url]
    const foreign = await elenchus.run(...base, ...output, '--dtype', 'float32')
    expect(foreign).toMatchObject({ code: 2 })
    expect(foreign.stderr).toMatch(/--dtype: a setting of --backend torch and vllm only/)
    const merging = await elenchus.run(...base, ...output, '--merge-adapter')
    expect(merging).toMatchObject({ code: 2 })
    const without = await elenchus.run(...base, '--output', join(folder, 'refused'), '--backend', 'openai')
    expect(without.stderr).toMatch(/--base-url is required/)
  })
})
