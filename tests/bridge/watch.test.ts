import { describe, expect, test } from 'vitest'
import { DEFAULT_LIMITS } from '../../src/bridge/limits.ts'
import { Watch } from '../../src/bridge/watch.ts'

const LIMITS = {
  ...DEFAULT_LIMITS,
  silenceS: 10,
  unreachableS: 3,
  phaseS: { load: 20, step: 5 },
  otherPhaseS: 7,
}

/** Ticks of one second until the watch complains, each with an answered ping; `null` after a hundred. */
function complaintAfter(seconds: {
  readonly phase: string
  readonly busy: string | null
  readonly beat?: (second: number) => number
  readonly working?: boolean
}): readonly [number, string] | null {
  const watch = new Watch(LIMITS, 1)
  for (let second = 1; second <= 100; second += 1) {
    watch.heard()
    const beat = seconds.beat?.(second) ?? 0
    watch.pong({ phase: seconds.phase, phase_s: 0, busy: seconds.busy, beat })
    const complaint = watch.tick(true, seconds.working ?? true)
    if (complaint !== null) return [second, complaint]
  }
  return null
}

describe('progress', () => {
  test.each([
    ['load', 22],
    ['step', 7],
    ['a phase nobody named', 9],
  ])('phase "%s" has its own limit', (phase, second) => {
    const complaint = complaintAfter({ phase, busy: 'x' })
    expect(complaint?.[0]).toBe(second - 1)
    expect(complaint?.[1]).toMatch(new RegExp(`no progress for \\d+ s in phase "${phase}"`))
  })

  test('a growing beat is progress, however slow', () => {
    expect(complaintAfter({ phase: 'step', busy: 'x', beat: (second) => Math.floor(second / 4) })).toBeNull()
  })

  test('nobody progresses without work', () => {
    expect(complaintAfter({ phase: 'step', busy: 'x', working: false })).toBeNull()
    expect(complaintAfter({ phase: 'idle', busy: null })).toBeNull()
  })

  test('imports have a limit before anything is in hand', () => {
    expect(complaintAfter({ phase: 'import', busy: null })?.[0]).toBe(8)
  })
})

describe('life', () => {
  test('silence is counted in ticks: a pause of this process is not the worker’s', () => {
    const watch = new Watch(LIMITS, 1)
    for (let tick = 1; tick <= 10; tick += 1) expect(watch.tick(true, false)).toBeNull()
    expect(watch.tick(true, false)).toBe('has been silent for 10 s')
    watch.heard()
    expect(watch.tick(true, false)).toBeNull()
  })

  test('a lost connection has a shorter limit, and forgets when it is back', () => {
    const watch = new Watch(LIMITS, 1)
    for (let tick = 1; tick <= 3; tick += 1) expect(watch.tick(false, false)).toBeNull()
    expect(watch.tick(true, false)).toBeNull()
    for (let tick = 1; tick <= 3; tick += 1) expect(watch.tick(false, false)).toBeNull()
    expect(watch.tick(false, false)).toMatch(/cannot be reached for 3 s/)
  })
})
