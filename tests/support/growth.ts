/**
 * How much longer four times the work takes: about 4 where the cost is linear, 16 where it is quadratic.
 * Processor time of this process, the best of three, so that a busy machine does not change the verdict.
 */
export function growthByFour(work: (size: number) => void, size: number): number {
  const best = (n: number): number => Math.min(...[1, 2, 3].map(() => processorTime(() => work(n))))
  // Below a few milliseconds, compilation and garbage collection are what is measured.
  return best(4 * size) / Math.max(best(size), 5)
}

/** Milliseconds of user time. */
function processorTime(work: () => void): number {
  const before = process.cpuUsage()
  work()
  return process.cpuUsage(before).user / 1000
}
