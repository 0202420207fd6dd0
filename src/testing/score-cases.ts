import assert from 'node:assert/strict'
import { expectClose } from './expect.ts'
import type { ConformanceCase, Examinee } from './subject.ts'

/** What a backend must do that scores. */
export function scoreCases(examinee: Examinee): ConformanceCase[] {
  return [
    {
      group: 'score',
      name: 'gives the log-probabilities that sampling recorded, in the order of the trajectories',
      run: async () => {
        const backend = await examinee.backend()
        const completions = await examinee.run(10)
        const trajectories = await examinee.trajectories(completions)
        const scores = await backend.score?.(trajectories, { policy: await examinee.base() })
        assert.equal(scores?.length, 10)
        for (const [index, { sum, logprobs }] of scores.entries()) {
          const recorded = Array.from(completions[index]?.logprobs ?? [])
          assert.equal(logprobs.length, recorded.length)
          for (const [place, value] of logprobs.entries()) {
            expectClose(value, recorded[place] ?? Number.NaN, 5e-4, `token ${place}`)
          }
          const total = logprobs.reduce((all, value) => all + value, 0)
          expectClose(sum, total, 5e-4, 'the sum')
        }
      },
    },
    {
      group: 'score',
      name: 'scores nothing as nothing',
      run: async () => {
        const backend = await examinee.backend()
        assert.deepEqual(await backend.score?.([], { policy: await examinee.base() }), [])
      },
    },
  ]
}
