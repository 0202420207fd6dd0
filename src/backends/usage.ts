import type { BackendUsage, WorkUsage } from './backend.ts'

export const NO_USAGE: BackendUsage = {
  startSeconds: 0,
  requestSeconds: 0,
  workerSeconds: 0,
  meanWorkerSeconds: 0,
}

/** Of what worked one after the other: every figure added up; the device is the later one's. */
export function addUsage(earlier: BackendUsage, later: BackendUsage): BackendUsage {
  const [device, work] = [later.device ?? earlier.device, addWork(earlier.work, later.work)]
  return {
    startSeconds: earlier.startSeconds + later.startSeconds,
    requestSeconds: earlier.requestSeconds + later.requestSeconds,
    workerSeconds: earlier.workerSeconds + later.workerSeconds,
    meanWorkerSeconds: earlier.meanWorkerSeconds + later.meanWorkerSeconds,
    ...(work !== undefined && { work }),
    ...(device !== undefined && { device }),
  }
}

function addWork(earlier: BackendUsage['work'], later: BackendUsage['work']): BackendUsage['work'] {
  if (earlier === undefined || later === undefined) return later ?? earlier
  const sum = (a: WorkUsage, b: WorkUsage): WorkUsage => ({
    tokens: a.tokens + b.tokens,
    flop: a.flop + b.flop,
    seconds: a.seconds + b.seconds,
  })
  return {
    generated: sum(earlier.generated, later.generated),
    trained: sum(earlier.trained, later.trained),
    scored: sum(earlier.scored, later.scored),
    seconds: earlier.seconds + later.seconds,
  }
}
