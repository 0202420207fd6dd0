import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { check, createHomeMadeBackend, sample } from '../../examples/home-made-backend.ts'
import { conformanceCases } from '../../src/testing/conformance.ts'

test('the home-made backend keeps the contract, and a stage takes it', async () => {
  expect(await check()).toEqual([])
  const dir = await mkdtemp(join(tmpdir(), 'elenchus-home-made-'))
  try {
    const summary = await sample(dir)
    expect(summary).toMatchObject({ traces: 40 })
    expect(summary.correct).toBeGreaterThan(5)
  } finally {
    await rm(dir, { recursive: true })
  }
})

test('the cases find what a backend does wrong', async () => {
  const good = createHomeMadeBackend()
  const offers = { score: false, train: false, seeds: true }
  const failures = async (backend: typeof good): Promise<string[]> => {
    const names: string[] = []
    for (const { name, run } of conformanceCases(
      () => ({ backend, prompts: ['a', 'b'], folder: '' }),
      offers,
    )) {
      await run().catch(() => names.push(name))
    }
    return names
  }
  const twice: typeof good = {
    ...good,
    async *generate(requests, options) {
      for await (const completion of good.generate(requests, options)) {
        yield completion
        if (completion.key === 'k3') yield completion
      }
    },
  }
  expect(await failures(twice)).toContain('answers every key exactly once')
  const boundless: typeof good = {
    ...good,
    generate: (requests, options) => good.generate(requests, { ...options, maxNewTokens: 1e6, stops: [] }),
  }
  expect(await failures(boundless)).toEqual([
    'respects the limit of new tokens',
    'stops where a stop has been completed as often as asked, and names it',
  ])
  const another = { ...good, capabilities: { ...good.capabilities, score: true } }
  expect(await failures(another)).toEqual(['is of this version and offers exactly what its capabilities say'])
})
