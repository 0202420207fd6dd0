import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { MARKER, untilGone } from '../../scripts/chaos/processes.ts'
import { differences, products } from '../../scripts/chaos/products.ts'
import { backendSchema } from '../../src/config/backend.ts'
import { loadConfig, parseOverride } from '../../src/config/load.ts'
import { pipelineSchema } from '../../src/config/pipeline.ts'
import { openBackend } from '../../src/pipelines/open-backend.ts'
import { openTorch } from '../../src/pipelines/open-torch.ts'
import { workerPython } from '../bridge/worker-python.ts'
import { compile, type Compiled } from '../support/compiled.ts'
import { Elenchus } from '../support/elenchus.ts'

const CONFIGS = resolve(import.meta.dirname, '../../configs')
const FAKE_VLLM = 'tests/backends/vllm/fake-vllm.ts'
const SETTINGS = ['iterations=1', 'controls.careful_sft=false', 'evaluation.max_new_tokens=96'].flatMap(
  (set) => ['--set', set],
)

let elenchus: Elenchus
let vllm: Compiled
let folder: string

beforeAll(async () => {
  elenchus = await Elenchus.compile()
  vllm = await compile(FAKE_VLLM)
  folder = await mkdtemp(join(tmpdir(), 'elenchus-vllm-pipeline-'))
}, 120_000)
afterAll(async () => {
  await elenchus[Symbol.asyncDispose]()
  await vllm[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})
afterEach(() => {
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('FAKE_VLLM_') || name === MARKER) delete process.env[name]
  }
})

const commandLine = (name: string, ...more: readonly string[]): string[] => [
  'run',
  join(CONFIGS, 'tiny.chaos.oak.yaml'),
  '--json',
  '--set',
  `output=${join(folder, name)}`,
  ...SETTINGS,
  ...more,
]

/** A program of vLLM's manners that really serves the models it is given. */
function engine(facts: string, environment: Readonly<Record<string, string>> = {}): string[] {
  process.env['FAKE_VLLM_REAL'] = '1'
  process.env['FAKE_VLLM_FACTS'] = join(folder, facts)
  process.env['FAKE_VLLM_LOGS'] = join(folder, `${facts}-logs`)
  Object.assign(process.env, environment)
  const command = [process.execPath, vllm.script(FAKE_VLLM)]
  return ['--engine', 'vllm', '--vllm-command', JSON.stringify(command), '--vllm-concurrency', '2']
}

async function starts(facts: string): Promise<{ model: string; workers: number }[]> {
  const text = await readFile(join(folder, facts), 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { model: string; workers: number })
}

describe.skipIf(workerPython === null)('the OaK loop with vLLM and torch in one run', () => {
  test('vLLM samples and torch trains: every product is that of torch alone, and neither is there beside the other', async () => {
    const alone = await elenchus.run(...commandLine('torch'))
    expect(alone.code, alone.stderr).toBe(0)
    const marker = randomUUID()
    process.env[MARKER] = marker
    const both = await elenchus.run(...commandLine('vllm', ...engine('facts')))
    expect(both.code, both.stderr).toBe(0)
    expect((await untilGone(marker, 10_000)).left).toEqual([])
    // Their own draws are the same, since seeds and weights are.
    const wanted = await products(join(folder, 'torch'))
    expect(wanted.has('traces/iter1/traces.jsonl')).toBe(true)
    expect(differences(wanted, await products(join(folder, 'vllm')))).toEqual([])
    // One start for the SFT model's evaluation and its traces, one for what DPO has made of it.
    const model = join(folder, 'vllm/base/pretraining/final')
    const found = await starts('facts')
    expect(found.map((each) => [each.model, each.workers])).toEqual([
      [model, 0],
      [model, 0],
    ])
    const log = await readFile(join(folder, 'vllm/logs/worker-0.0.log'), 'utf8').catch(() => null)
    expect(log).not.toBeNull()
  }, 300_000)

  test('kill -9 of it while vLLM samples, SIGTERM while it starts, a server that dies: --resume ends with the same bytes', async () => {
    const marker = randomUUID()
    process.env[MARKER] = marker
    const dies = { after: 40, times: 1, file: join(folder, 'deaths') }
    const slow = { FAKE_VLLM_SLOW_MS: '60', FAKE_VLLM_DIES: JSON.stringify(dies) }
    const flags = engine('rough-facts', slow)
    const { child, ended } = elenchus.start(...commandLine('rough', ...flags))
    const traces = join(folder, 'rough/traces/iter1/traces.jsonl')
    const lines = async (): Promise<number> =>
      (await readFile(traces, 'utf8').catch(() => '')).split('\n').length - 1
    const until = async (done: () => Promise<boolean>): Promise<void> => {
      while (!(await done())) {
        expect(child.exitCode).toBeNull()
        await delay(20)
      }
    }
    await until(async () => (await starts('rough-facts')).length === 2)
    const written = await lines()
    await until(async () => (await lines()) > written)
    child.kill('SIGKILL')
    expect((await ended).stderr).toMatch(/RuntimeError: out of luck.*It is started again/s)
    expect((await untilGone(marker, 10_000)).left).toEqual([])
    expect(await lines()).toBeLessThan(96)
    delete process.env['FAKE_VLLM_SLOW_MS']

    // SIGTERM while a server loads, which may take minutes.
    process.env['FAKE_VLLM_START_MS'] = '600000'
    const stopped = elenchus.start(...commandLine('rough', ...flags, '--resume'))
    while ((await starts('rough-facts')).length < 3) await delay(20)
    stopped.child.kill('SIGTERM')
    expect((await stopped.ended).code).toBe(75)
    expect((await untilGone(marker, 10_000)).left).toEqual([])
    delete process.env['FAKE_VLLM_START_MS']

    const resumed = await elenchus.run(...commandLine('rough', ...flags, '--resume'))
    expect(resumed.code, resumed.stderr).toBe(0)
    const wanted = await products(join(folder, 'vllm'))
    expect(differences(wanted, await products(join(folder, 'rough')))).toEqual([])
  }, 300_000)
})

describe('before anything starts', () => {
  test('a program that is not there is told', async () => {
    const missing = ['--engine', 'vllm', '--vllm-command', '/nowhere/vllm']
    const { code, stderr } = await elenchus.run(...commandLine('missing', ...missing))
    expect(code).toBe(3)
    expect(stderr).toMatch(/There is no program "\/nowhere\/vllm"/)
    expect(stderr).toMatch(/--vllm-command/)
    expect(existsSync(join(folder, 'missing/base'))).toBe(false)
  })

  async function opened(name: string, ...sets: readonly string[]): Promise<string[]> {
    const given = ['backend.engine=vllm', `backend.vllm.command=${process.execPath}`, ...sets]
    const config = await loadConfig(join(CONFIGS, name), pipelineSchema, given.map(parseOverride))
    const warnings: string[] = []
    const events = (event: { type: string; message?: unknown }): void => {
      if (event.type === 'warning') warnings.push(String(event.message))
    }
    await using _ = await openBackend(config, { logDirectory: folder, events })
    return warnings
  }

  test('what vLLM has no part in is told', async () => {
    expect(await opened('tiny.oak.yaml')).toEqual([])
    expect(await opened('tiny.abel.yaml')).toEqual([expect.stringMatching(/^PPO samples from the weights/)])
    expect(await opened('tiny.oak.yaml', 'backend.deterministic=true')).toEqual([
      expect.stringMatching(/^deterministic holds for the workers only/),
    ])
  })

  test('commands that only train say that it has no part in them', async () => {
    const warnings: unknown[] = []
    const config = backendSchema.parse({ engine: 'vllm' })
    const events = (event: unknown): void => void warnings.push(event)
    await using _ = openTorch(config, 'm', { logDirectory: folder, events })
    expect(warnings).toMatchObject([{ message: expect.stringMatching(/^engine vllm has no part/) as string }])
  })

  test('workers that cannot take turns with it are refused', async () => {
    await expect(opened('tiny.oak.yaml', 'backend.launcher=slurm')).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('slurm') as string,
    })
    await expect(
      opened('tiny.oak.yaml', 'backend.launcher=torchrun', 'backend.nnodes=2'),
    ).rejects.toMatchObject({ code: 'config_invalid' })
    await expect(opened('tiny.oak.yaml', 'backend.vllm.args=[--api-key, secret]')).rejects.toMatchObject({
      message: expect.stringContaining('keys of their own') as string,
    })
  })
})
