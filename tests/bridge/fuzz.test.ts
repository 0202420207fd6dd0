import { expect, test } from 'vitest'
import { fuzzWire } from '../../scripts/fuzz/wire-fuzzer.ts'

/** The short version of `npm run fuzz:wire`: every change ends in a typed end of that worker, or harms nothing. */
test('mutated messages end the worker that sent them and nothing else', async () => {
  const report = await fuzzWire(2000, 7)
  const { protocol_violation = 0, handshake_refused = 0, ...others } = report.ended
  expect(others).toEqual({})
  expect(protocol_violation).toBeGreaterThan(200)
  expect(handshake_refused).toBeGreaterThan(100)
  expect(protocol_violation + handshake_refused + report.admitted + report.harmless).toBe(2000)
}, 480_000)
