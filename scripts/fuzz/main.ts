import { parseArgs } from 'node:util'
import { fuzzWire } from './wire-fuzzer.ts'

/** `npm run fuzz:wire -- --messages 100000 --seed 1` */
const { values } = parseArgs({
  options: { messages: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
})
const report = await fuzzWire(Number(values.messages), Number(values.seed))
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
const MOST_GROWTH_MB = 32
if (report.grownMb > MOST_GROWTH_MB) {
  process.stderr.write(`Memory grew by ${report.grownMb.toFixed(1)} MiB over the second half.\n`)
  process.exitCode = 1
}
