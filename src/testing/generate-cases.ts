import assert from 'node:assert/strict'
import type { PolicyRef } from '../backends/backend.ts'
import { expectCode } from './expect.ts'
import type { ConformanceCase, Examinee } from './subject.ts'

/** What every backend must do when it generates; `seeds`: and when it says that seeds decide. */
export function generateCases(examinee: Examinee, seeds: boolean): ConformanceCase[] {
  const cases: [name: string, run: () => Promise<void>][] = [
    [
      'answers every key exactly once',
      async () => {
        const asked = await examinee.requests(40)
        const completions = await examinee.run(asked)
        assert.deepEqual(completions.map(({ key }) => key).sort(), asked.map(({ key }) => key).sort())
      },
    ],
    [
      'answers nothing with nothing',
      async () => {
        assert.deepEqual(await examinee.run([]), [])
      },
    ],
    [
      'counts tokens, and has ids and log-probabilities where it says so',
      async () => {
        const { capabilities } = await examinee.backend()
        for (const { ids, logprobs, numTokens, promptTokens } of await examinee.run(10)) {
          assert.ok(promptTokens === undefined || promptTokens > 0, `promptTokens is ${promptTokens}`)
          assert.equal(ids?.length, capabilities.tokenIds ? numTokens : undefined)
          assert.equal(logprobs?.length, capabilities.logprobs ? numTokens : undefined)
          assert.ok(logprobs?.every((value) => value <= 0) ?? true, 'a log-probability is above 0')
        }
      },
    ],
    [
      'respects the limit of new tokens',
      async () => {
        for (const { numTokens, finishReason } of await examinee.run(10, { maxNewTokens: 2 })) {
          assert.ok(numTokens <= 2, `${numTokens} tokens instead of 2`)
          assert.ok(['eos', 'length'].includes(finishReason), `finish reason ${finishReason}`)
        }
      },
    ],
    [
      'stops where a stop has been completed as often as asked, and names it',
      async () => {
        const stops = [{ name: 'two', pattern: '[a-zA-Z ]', count: 2 }]
        const matches = (text: string): number => text.match(/[a-zA-Z ]/g)?.length ?? 0
        const completions = await examinee.run(20, { stops, maxNewTokens: 60 })
        const stopped = completions.filter(({ finishReason }) => finishReason === 'stop')
        assert.ok(stopped.length > 0, 'no completion was stopped')
        for (const { text, stopName } of stopped) {
          assert.equal(stopName, 'two')
          assert.ok(matches(text) >= 2, `stopped too early: ${JSON.stringify(text)}`)
        }
        for (const { text } of completions.filter(({ finishReason }) => finishReason !== 'stop')) {
          assert.ok(matches(text) < 2, `not stopped: ${JSON.stringify(text)}`)
        }
      },
    ],
    [
      'ends a segment that is too long',
      async () => {
        const segment = { boundary: 'never in any text', maxTokens: 3 }
        const completions = await examinee.run(20, { segment, maxNewTokens: 60 })
        for (const { numTokens, finishReason } of completions) {
          assert.ok(numTokens <= 3, `${numTokens} tokens in a segment of 3`)
          assert.ok(['eos', 'segment_length'].includes(finishReason), `finish reason ${finishReason}`)
        }
        assert.ok(completions.some(({ finishReason }) => finishReason === 'segment_length'))
      },
    ],
    [
      'gives the same greedy text whatever the seed',
      async () => {
        const [prompt = ''] = await examinee.prompts()
        const asked = [1, 2, 3].map((seed) => ({ key: String(seed), prompt, seed }))
        const completions = await examinee.run(asked, { temperature: 0 })
        assert.equal(new Set(completions.map(({ text }) => text)).size, 1)
      },
    ],
    [
      'refuses two requests with one key',
      async () => {
        const asked = [...(await examinee.requests(1)), ...(await examinee.requests(1))]
        await expectCode(examinee.run(asked), 'bad_request')
      },
    ],
    [
      'refuses a policy whose weights it does not have',
      async () => {
        const policy: PolicyRef = { kind: 'base', fingerprint: 'of something else' }
        await expectCode(examinee.run(1, { policy }), 'stale_policy')
      },
    ],
    [
      'can be left early, and goes on working',
      async () => {
        const backend = await examinee.backend()
        const asked = await examinee.requests(20)
        for await (const _ of backend.generate(asked, await examinee.options())) break
        assert.equal((await examinee.run(3)).length, 3)
      },
    ],
    [
      'ends with `cancelled` when it is aborted',
      async () => {
        await expectCode(examinee.run(3, { signal: AbortSignal.abort() }), 'cancelled')
        const controller = new AbortController()
        const backend = await examinee.backend()
        const options = await examinee.options({ signal: controller.signal })
        const stream = backend.generate(await examinee.requests(200), options)
        const aborted = (async () => {
          for await (const _ of stream) controller.abort()
        })()
        await expectCode(aborted, 'cancelled')
      },
    ],
  ]
  if (seeds) {
    cases.push([
      'gives the same text for the same seed, whatever else is asked',
      async () => {
        const asked = await examinee.requests(12)
        const all = new Map((await examinee.run(asked)).map(({ key, text }) => [key, text]))
        const some = await examinee.run(asked.filter((_, index) => index % 3 === 0))
        for (const { key, text } of some) assert.equal(text, all.get(key))
        const shifted = asked.map(({ key, prompt, seed }) => ({ key, prompt, seed: seed + 1000 }))
        const other = await examinee.run(shifted)
        assert.ok(other.some(({ key, text }) => text !== all.get(key)))
      },
    ])
  }
  return cases.map(([name, run]) => ({ group: 'generate', name, run }))
}
