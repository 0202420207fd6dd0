import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compile, type Compiled } from '../support/compiled.ts'

const ROOT = resolve(import.meta.dirname, '../..')

let compiled: Compiled
let folder: string

beforeAll(async () => {
  compiled = await compile('src/cli/main.ts')
  folder = await mkdtemp(join(tmpdir(), 'elenchus-cli-'))
})
afterAll(async () => {
  await compiled[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function elenchus(...args: readonly string[]): Promise<Ended> {
  return new Promise((done) => {
    execFile(process.execPath, [compiled.script('src/cli/main.ts'), ...args], (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    })
  })
}

/** Checks the keys that the test is about, whatever else a document holds. */
const parsed = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>

describe('usage', () => {
  test('a typo is answered with the nearest command, and exit status 2', async () => {
    const { code, stderr } = await elenchus('vrify')
    expect(code).toBe(2)
    expect(stderr).toMatch(/Did you mean verify\?/)
  })

  test('a reader that goes away (`| head`) is no error', async () => {
    const child = spawn(process.execPath, [compiled.script('src/cli/main.ts'), 'ppo', '--help'])
    child.stdout.destroy()
    let stderr = ''
    child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
    const [code] = (await once(child, 'close')) as [number | null]
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  test('every command has help with the names of its settings', async () => {
    const { code, stdout } = await elenchus('dpo', '--help')
    expect(code).toBe(0)
    for (const flag of [
      '--traces',
      '--pairs',
      '--min-validity-gap',
      '--require-valid-winner',
      '--beta',
      '--gpus',
    ]) {
      expect(stdout).toContain(flag)
    }
  })

  test('a wrong setting names file, line and column', async () => {
    const path = join(folder, 'bad.yaml')
    const text = await readFile(join(ROOT, 'configs/tiny.oak.yaml'), 'utf8')
    await writeFile(path, text.replace('beta: 0.1', 'beta: high'))
    const line = text.split('\n').findIndex((each) => each.includes('beta: 0.1')) + 1
    const { code, stderr } = await elenchus('run', path)
    expect(code).toBe(2)
    expect(stderr).toContain(`${path}:${line}:3: dpo.beta is "high"`)
    expect(stderr).toMatch(/hint: .*\n {2}code: config_invalid/)
  })

  test('the shipped configurations are valid, and --dry-run prints them resolved', async () => {
    for (const config of ['oak', 'tiny.oak', 'abel', 'tiny.abel']) {
      const path = join(ROOT, `configs/${config}.yaml`)
      const { code, stdout, stderr } = await elenchus('run', path, '--dry-run', '--json')
      expect(code, stderr).toBe(0)
      expect(parsed(stdout)).toMatchObject({
        pipeline: config.replace('tiny.', ''),
        dpo: { loss: 'sigmoid' },
      })
    }
  })

  test("the old script's three arguments", async () => {
    const args = [
      'oak',
      '2',
      '1500',
      '0,1,2,3',
      '--config',
      join(ROOT, 'configs/oak.yaml'),
      '--dry-run',
      '--json',
    ]
    const { stdout } = await elenchus(...args)
    expect(parsed(stdout)).toMatchObject({
      iterations: 2,
      traces: { num_problems: 1500 },
      backend: { gpus: [0, 1, 2, 3] },
    })
    const wrong = await elenchus('oak', 'two', '--config', join(ROOT, 'configs/oak.yaml'), '--dry-run')
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toMatch(/iterations: iterations is/)
  })

  test('a missing model is said before anything starts', async () => {
    const data = join(folder, 'few.jsonl')
    await elenchus('data', 'generate', '--count', '4', '--output', data)
    const { code, stderr } = await elenchus('traces', '--data', data, '--output', join(folder, 't'))
    expect(code).toBe(2)
    expect(stderr).toMatch(/--model, or --base-model with --lora-path/)
  })
})

describe('verify', () => {
  test('a hand-made file with every defect of earlier judges: each is caught', async () => {
    const file = join(folder, 'defects.jsonl')
    await copyFile(join(ROOT, 'examples/defects.jsonl'), file)
    const { code, stdout } = await elenchus('verify', '--traces', file, '--json')
    expect(code).toBe(0)
    // The file calls every trace and every step valid.
    expect(parsed(stdout)).toMatchObject({ traces: 13, valid_traces: 4, valid_by_proof: 3 })
    const judged = (await readFile(`${file}.judged.jsonl`, 'utf8')).trimEnd().split('\n').map(parsed)
    expect(judged).toHaveLength(13)
    for (const trace of judged) {
      const steps = trace['steps'] as { code: string | null }[]
      const codes = [...steps.map((step) => step.code), trace['trace_code']].filter((each) => each !== null)
      if (trace['expect'] === null) expect(codes, String(trace['problem_id'])).toEqual([])
      else expect(codes, String(trace['problem_id'])).toContain(trace['expect'])
    }
  })

  test('an alias makes the files of another system readable', async () => {
    const file = join(folder, 'alias.jsonl')
    await copyFile(join(ROOT, 'examples/defects.jsonl'), file)
    const { stdout } = await elenchus('verify', '--traces', file, '--alias', 'RULE=MODUS_PONENS', '--json')
    expect(parsed(stdout)['codes']).not.toHaveProperty('unknown_option')
    const { code } = await elenchus('verify', '--traces', file, '--alias', 'RULE')
    expect(code).toBe(2)
  })

  test('plain chains by sentences; flags that concern options are refused there', async () => {
    const file = join(folder, 'chains.jsonl')
    const completion = 'Max is a cat. Every cat is furry. Max is furry. True'
    const chain = {
      premises: ['Max is a cat.', 'Every cat is furry.'],
      conclusion: 'Max is furry.',
      completion,
    }
    await writeFile(file, `${JSON.stringify(chain)}\n`)
    const { stdout } = await elenchus('verify', '--traces', file, '--style', 'sentences')
    expect(stdout).toMatch(/strict +1 +100/)
    for (const flag of [
      ['--claims', 'ignored'],
      ['--alias', 'A=B'],
    ]) {
      const { code, stderr } = await elenchus('verify', '--traces', file, '--style', 'sentences', ...flag)
      expect(code).toBe(2)
      expect(stderr).toContain(`${flag[0]} has no meaning with --style sentences`)
    }
  })

  test('a broken line is named with its number, and no verdict file is left', async () => {
    const file = join(folder, 'broken.jsonl')
    await writeFile(file, '{"premises":[],"conclusion":"Max is red.","steps":[]}\n{"premises":3}\n')
    const { code, stderr } = await elenchus('verify', '--traces', file)
    expect(code).toBe(1)
    expect(stderr).toContain(`${file}:2`)
    await expect(readFile(`${file}.judged.jsonl`)).rejects.toThrow()
  })

  test('explain shows one trace for a person', async () => {
    const { code, stdout } = await elenchus(
      'explain',
      '--traces',
      join(ROOT, 'examples/defects.jsonl'),
      '--line',
      '2',
    )
    expect(code).toBe(0)
    expect(stdout).toMatch(/claim_mismatch: .*Max is a yumpus/)
  })
})

describe('data', () => {
  test('generated splits share nothing, and inspect says so', async () => {
    const [train, held] = [join(folder, 'train.jsonl'), join(folder, 'held.jsonl')]
    const make = (file: string, split: string) =>
      elenchus('data', 'generate', '--count', '40', '--hops', '[1, 2]', '--split', split, '--output', file)
    expect((await make(train, 'train')).code).toBe(0)
    expect((await make(held, 'held_out')).code).toBe(0)
    const report = parsed((await elenchus('data', 'inspect', '--data', train, held, '--json')).stdout)
    expect(report).toMatchObject({
      leaks: [],
      sets: { train: { problems: 40, with_gold: 40, unreadable: 0 } },
    })
    const solver = parsed((await elenchus('baseline', '--data', held, '--json')).stdout)
    expect(solver).toMatchObject({ problems: 40, right: 40, wrong: 0 })
  })
})

test('compare needs files of the same problems', async () => {
  const a = join(folder, 'a.jsonl')
  const b = join(folder, 'b.jsonl')
  const rows = (flags: readonly boolean[], prefix: string) =>
    flags.map((correct, index) => JSON.stringify({ problem_id: `${prefix}${index}`, correct })).join('\n')
  await writeFile(a, rows([true, false, false, false, false, false, false], 'p'))
  await writeFile(b, rows([true, true, true, true, true, true, true], 'p'))
  const { stdout } = await elenchus('compare', a, b, '--json')
  // Six discordant pairs, all one way: p = 2 / 2^6.
  expect(parsed(stdout)).toMatchObject({
    comparisons: [{ comparison: { only_a: 0, only_b: 6, p_value: expect.closeTo(0.03125, 10) as number } }],
  })
  await writeFile(b, rows([true], 'q'))
  expect((await elenchus('compare', a, b)).code).toBe(1)
})
