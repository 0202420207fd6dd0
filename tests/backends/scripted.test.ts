import { describe, expect, test } from 'vitest'
import type { Completion, GenerateOptions } from '../../src/backends/backend.ts'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { describeConformance } from './conformance.ts'

const backend = createScriptedBackend(({ prompt }) => `an answer to ${prompt}, and a bit more of it`)
describeConformance('scripted', { score: false, train: false, seeds: false }, () => ({
  backend,
  prompts: ['first', 'second'],
  folder: '',
}))

describe('what cuts a script', () => {
  async function one(script: string, changes: Partial<GenerateOptions>): Promise<Completion> {
    const policy = { kind: 'base', fingerprint: 'scripted' } as const
    const options = { policy, temperature: 0, topP: 1, maxNewTokens: 100, stops: [], ...changes }
    const scripted = createScriptedBackend(() => Promise.resolve(script))
    for await (const completion of scripted.generate([{ key: 'k', prompt: 'p😀', seed: 0 }], options))
      return completion
    throw new Error('No completion.')
  }

  test('nothing: it ends as the model would have', async () => {
    expect(await one('a😀', {})).toEqual({
      key: 'k',
      text: 'a😀',
      ids: Int32Array.of(97, 0x1f600),
      numTokens: 2,
      promptTokens: 2,
      finishReason: 'eos',
    })
  })

  test('a counted stop, right behind its last match', async () => {
    const stops = [{ name: 'lines', pattern: String.raw`\n`, count: 2 }]
    expect(await one('a\nb\nc', { stops })).toMatchObject({
      text: 'a\nb\n',
      finishReason: 'stop',
      stopName: 'lines',
    })
    expect(await one('a\nb', { stops })).toMatchObject({ text: 'a\nb', finishReason: 'eos' })
  })

  test('whatever comes first', async () => {
    const stops = [{ name: 'z', pattern: 'z', count: 1 }]
    expect(await one('abcz', { stops, maxNewTokens: 3 })).toMatchObject({
      text: 'abc',
      finishReason: 'length',
    })
    expect(await one('abz', { stops, maxNewTokens: 3 })).toMatchObject({ text: 'abz', finishReason: 'stop' })
  })

  test('a segment that is too long, counted from the last boundary', async () => {
    const segment = { boundary: String.raw`\n`, maxTokens: 4 }
    expect(await one('abc\nabcdef', { segment })).toMatchObject({
      text: 'abc\nabcd',
      finishReason: 'segment_length',
    })
    expect(await one('abc\nabc\nabcd', { segment })).toMatchObject({ finishReason: 'eos' })
  })
})
