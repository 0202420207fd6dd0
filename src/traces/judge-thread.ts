import { parentPort, workerData } from 'node:worker_threads'
import type { JudgeAnswer, JudgeQuestion, JudgeSetup } from './threaded-judge.ts'
import { createSampleJudge } from './sample-judge.ts'

/** The judge's thread: one answer per question, in order. It imports the judge and nothing that does I/O. */
const port = parentPort
if (port === null) throw new TypeError('judge-thread.ts is a thread of threaded-judge.ts')
// Written by the other half of this program.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const { problems, samples } = workerData as JudgeSetup
const judge = createSampleJudge(problems, samples)

port.on('message', ({ id, problem, text }: JudgeQuestion) => {
  const began = performance.now()
  const judged = judge(problem, text)
  const answer: JudgeAnswer = { id, judged, seconds: (performance.now() - began) / 1000 }
  port.postMessage(answer)
})
