import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import type { Completion, GenerateOptions, PolicyRef } from '../../src/backends/backend.ts'
import type { TorchBackendOptions } from '../../src/backends/torch/options.ts'
import { createTorchBackend, type TorchBackend } from '../../src/backends/torch/torch.ts'
import { fixtureLauncher } from '../bridge/harness.ts'
import { codeOf } from './conformance.ts'

const folder = mkdtempSync('/tmp/ef-')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function open(behaviour: string, changes: Partial<TorchBackendOptions> = {}): TorchBackend {
  return createTorchBackend({
    model: 'm',
    dtype: 'auto',
    engine: 'auto',
    deterministic: false,
    trustRemoteCode: false,
    launcher: fixtureLauncher(behaviour),
    logDirectory: join(folder, 'logs'),
    ...changes,
  })
}

const BASE: PolicyRef = { kind: 'base', fingerprint: 'base of m' }
const OPTIONS: GenerateOptions = { policy: BASE, temperature: 1, topP: 1, maxNewTokens: 8, stops: [] }

async function texts(backend: TorchBackend, count: number, options = OPTIONS): Promise<Map<string, string>> {
  const requests = Array.from({ length: count }, (_, seed) => ({ key: `k${seed}`, prompt: `p${seed}`, seed }))
  const found = new Map<string, string>()
  for await (const { key, text } of backend.generate(requests, options)) {
    expect(found.has(key)).toBe(false)
    found.set(key, text)
  }
  return found
}

async function drain(completions: AsyncIterable<Completion>, keys: string[] = []): Promise<void> {
  for await (const { key } of completions) keys.push(key)
}

/** Several ranks and every order of events, with workers that need no model. */
describe('the torch backend over fixture workers', () => {
  test('starts nothing before something is needed', async () => {
    const backend = open('exits-at-start')
    await backend[Symbol.asyncDispose]()
    expect(await codeOf(backend.info())).toBe('cancelled')
  })

  test('deals to all ranks within their credits', async () => {
    await using backend = open('answers', { ranks: 3 })
    expect((await texts(backend, 100)).size).toBe(100)
    expect((await backend.stats()).map(({ models }) => models)).toEqual([['m'], ['m'], ['m']])
  })

  test('loads a policy once, by whatever many requests it is used', async () => {
    await using backend = open('answers')
    const policy: PolicyRef = { kind: 'adapter', path: 'a', fingerprint: 'weights of a' }
    const results = await Promise.all([1, 2, 3].map(() => texts(backend, 20, { ...OPTIONS, policy })))
    expect(results[2]?.get('k7')).toBe('answer to k7 by a')
    expect((await backend.stats())[0]?.adapters).toEqual(['a'])
  })

  test('keeps the four policies used last', async () => {
    await using backend = open('answers')
    for (const name of ['a', 'b', 'c', 'd', 'a', 'e']) {
      const policy: PolicyRef = { kind: 'adapter', path: name, fingerprint: `weights of ${name}` }
      await texts(backend, 1, { ...OPTIONS, policy })
    }
    expect((await backend.stats())[0]?.adapters).toEqual(['a', 'c', 'd', 'e'])
  })

  test('drops no policy that is in use', async () => {
    await using backend = open('answers')
    const policy = (name: string): GenerateOptions => ({
      ...OPTIONS,
      policy: { kind: 'adapter', path: name, fingerprint: `weights of ${name}` },
    })
    const requests = Array.from({ length: 100 }, (_, seed) => ({ key: `k${seed}`, prompt: `p${seed}`, seed }))
    // Nobody reads on, so after a buffer's worth it waits, in the middle of a request.
    const unread = backend.generate(requests, policy('a'))[Symbol.asyncIterator]()
    await unread.next()
    await delay(300)
    for (const name of ['b', 'c', 'd', 'e']) await texts(backend, 1, policy(name))
    expect((await backend.stats())[0]?.adapters).toEqual(['a', 'c', 'd', 'e'])
    await unread.return?.()
  })

  test('cancels what still runs when its reader leaves', async () => {
    await using backend = open('works-until-cancelled')
    for await (const { key } of backend.generate([{ key: 'k', prompt: 'p', seed: 0 }], OPTIONS)) {
      expect(key).toBe('k')
      break
    }
    expect((await backend.stats()).length).toBe(1)
  })

  test('switches its base, and refuses the old one from then on', async () => {
    await using backend = open('answers', { ranks: 2 })
    await texts(backend, 1)
    await backend.switchModel('n')
    expect(await codeOf(texts(backend, 1))).toBe('stale_policy')
    const policy: PolicyRef = { kind: 'base', fingerprint: 'base of n' }
    expect((await texts(backend, 1, { ...OPTIONS, policy })).get('k0')).toBe('answer to k0 by n')
  })

  test('goes on after a death, with every completion once', async () => {
    await using backend = open('dies-at-first', { restarts: 1 })
    const found = await texts(backend, 20)
    expect(found.size).toBe(20)
    // The second start had to load the model again.
    expect(found.get('k19')).toBe('answer to k19 by m')
  })

  test.each([1, 2])('names the request that kills whoever serves it; ranks: %i', async (ranks) => {
    await using backend = open('answers', { ranks })
    const keys = ['a', 'b', 'c', 'deadly', ...Array.from({ length: 60 }, (_, index) => `k${index}`)]
    const requests = keys.map((key, seed) => ({ key, prompt: `Prompt of ${key}`, seed }))
    const found: string[] = []
    const failure = await drain(backend.generate(requests, OPTIONS), found).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'deadly_request', retryable: false })
    expect(String(failure)).toMatch(/The request "deadly", "Prompt of deadly", ended 4 workers, 2 of them/)
    // Those beside it in its smaller chunks were not lost to it.
    expect(found).toEqual(expect.arrayContaining(['a', 'b', 'c']))
  })

  test('a worker out of memory is believed: no restart, no second try, and it goes on with what fits', async () => {
    await using backend = open('out-of-memory', { restarts: 3 })
    const [before] = await backend.stats()
    const requests = ['small', 'large', 'small'].map((prompt, seed) => ({ key: `k${seed}`, prompt, seed }))
    const found: string[] = []
    const failure = await drain(backend.generate(requests, OPTIONS), found).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'out_of_memory', retryable: false })
    expect((failure as { hint: string }).hint).toContain('--max-new-tokens')
    // What it finished before is kept.
    expect(found).toEqual(['k0'])
    expect((await texts(backend, 3)).size).toBe(3)
    const [after] = await backend.stats()
    expect(after?.pid).toBe(before?.pid)
  })

  test('fails with the death when there is no start left', async () => {
    await using backend = open('answers', { restarts: 0 })
    const deadly = backend.generate([{ key: 'deadly', prompt: 'p', seed: 1 }], OPTIONS)
    expect(await codeOf(drain(deadly))).toBe('worker_died')
  })

  test('goes on as long as every start does something before it dies', async () => {
    await using backend = open('dies-mid-request', { restarts: 1 })
    expect((await texts(backend, 5)).size).toBe(5)
  })

  test('tells the warnings of its workers once', async () => {
    const warnings: string[] = []
    await using backend = open('warns', { ranks: 2, onWarning: (message) => warnings.push(message) })
    await backend.stats()
    expect(warnings).toEqual(['torch 9.9 has not been tested'])
  })
})
