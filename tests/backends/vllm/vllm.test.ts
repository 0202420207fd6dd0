import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OpenAIBackend } from '../../../src/backends/openai/openai.ts'
import { serveCommand, serveEnvironment } from '../../../src/backends/vllm/command.ts'
import { createVllmBackend } from '../../../src/backends/vllm/vllm.ts'
import { collect } from '../../../src/testing/expect.ts'
import { compile, type Compiled } from '../../support/compiled.ts'
import { codeOf } from '../conformance.ts'

interface Facts {
  readonly pid: number
  readonly engine: number
  readonly flags: string[]
  readonly lora: string
  readonly devices: string
}

/** vLLM itself cannot be installed where these tests run: a program of its manners stands in for it. */
describe('vllm', () => {
  let compiled: Compiled
  let folder: string
  let command: [string, ...string[]]
  beforeAll(async () => {
    compiled = await compile('tests/backends/vllm/fake-vllm.ts', 'tests/backends/vllm/orchestrator.ts')
    folder = await mkdtemp(join(tmpdir(), 'elenchus-vllm-'))
    command = [process.execPath, compiled.script('tests/backends/vllm/fake-vllm.ts')]
  })
  afterAll(async () => {
    delete process.env['FAKE_VLLM_FACTS']
    await compiled[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  async function facts(name: string): Promise<Facts[]> {
    const text = await readFile(join(folder, name), 'utf8').catch(() => '')
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Facts)
  }

  function start(name: string, changes: object = {}): Promise<OpenAIBackend> {
    process.env['FAKE_VLLM_FACTS'] = join(folder, name)
    return createVllmBackend({ model: 'base', command, logDirectory: join(folder, 'logs'), ...changes })
  }

  async function gone(found: readonly Facts[]): Promise<void> {
    for (const pid of found.flatMap((each) => [each.pid, each.engine])) {
      while (isAlive(pid)) await delay(20)
    }
  }

  test('one server per device generates, with adapters from their folders, and ends with the backend', async () => {
    const adapter = join(folder, 'adapter')
    await mkdir(adapter)
    await writeFile(join(adapter, 'adapter_model.safetensors'), 'weights')
    const backend = await start('two', { gpus: [0, 1] })
    const started = await facts('two')
    expect(started.map(({ devices }) => devices).sort()).toEqual(['0', '1'])
    expect(started[0]?.lora).toBe('True')
    expect(started[0]?.flags).toContain('--enable-lora')
    expect(backend.capabilities).toMatchObject({ tokenIds: true, logprobs: true, adapters: true })
    const policy = await backend.adapterPolicy(adapter)
    const requests = Array.from({ length: 40 }, (_, seed) => ({ key: `${seed}`, prompt: 'p', seed }))
    const options = { policy, temperature: 0.7, topP: 0.9, maxNewTokens: 20, stops: [] }
    const completions = await collect(backend.generate(requests, options))
    expect(completions).toHaveLength(40)
    // Of what was sampled, since the server was started so.
    expect(completions.every(({ logprobs, ids }) => logprobs?.length === ids?.length)).toBe(true)
    await backend[Symbol.asyncDispose]()
    await gone(started)
    expect(process.listeners('exit').filter(({ name }) => name === 'killAll')).toEqual([])
  })

  test('a server that does not start says why, and takes the others with it', async () => {
    const failing = start('broken', { model: 'broken' })
    await expect(failing).rejects.toThrow(/vLLM did not start.*ValueError: no such model/s)
    expect(await codeOf(start('none', { command: ['no-such-vllm'] }))).toBe('environment')
  })

  test('an abort while it loads ends it', async () => {
    const controller = new AbortController()
    process.env['FAKE_VLLM_FACTS'] = join(folder, 'aborted')
    const options = { model: 'base', command, logDirectory: join(folder, 'logs') }
    const starting = createVllmBackend(options, { signal: controller.signal })
    while ((await facts('aborted')).length === 0) await delay(10)
    controller.abort()
    expect(await codeOf(starting)).toBe('cancelled')
    await gone(await facts('aborted'))
  })

  test('nothing is left when the orchestrator is killed', async () => {
    const child = spawn(
      process.execPath,
      [compiled.script('tests/backends/vllm/orchestrator.ts'), folder, ...command],
      {
        env: { ...process.env, FAKE_VLLM_FACTS: join(folder, 'killed') },
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    await once(child.stdout, 'data')
    const started = await facts('killed')
    expect(started).toHaveLength(1)
    child.kill('SIGKILL')
    await gone(started)
  })

  test('its command and environment are those of the page', () => {
    const line = serveCommand({ model: 'M', port: 1, args: ['--max-model-len', '4096'] }).join(' ')
    expect(line).toMatch(/^vllm serve M --host 127\.0\.0\.1 --port 1 .*--max-model-len 4096$/)
    expect(serveEnvironment(1, { CUDA_VISIBLE_DEVICES: '4,6' })).toMatchObject({ CUDA_VISIBLE_DEVICES: '6' })
    expect(serveEnvironment(undefined, {})).not.toHaveProperty('CUDA_VISIBLE_DEVICES')
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
