import { parseArgs } from 'node:util'
import { runSoundness } from './run.ts'

const { values } = parseArgs({
  options: { steps: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
})
const report = await runSoundness({
  steps: Number(values.steps),
  seed: Number(values.seed),
  onProgress: (done) => process.stderr.write(`\r${done} steps`),
})
process.stderr.write('\n')
console.log(JSON.stringify(report, null, 2))
process.exitCode = report.refuted.length > 0 ? 1 : 0
