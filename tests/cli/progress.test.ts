import { expect, test } from 'vitest'
import { createProgress, describeDuration, type ProgressDisplay } from '../../src/cli/progress.ts'
import type { RunEvent } from '../../src/runs/events.ts'

/** A terminal that obeys the two sequences that the display uses: up, and clear to the end. */
class Screen {
  raw = ''
  lines: string[] = []
  readonly isTTY: boolean
  readonly columns: number

  constructor(isTTY: boolean, columns = 80) {
    this.isTTY = isTTY
    this.columns = columns
  }

  write(text: string): void {
    this.raw += text
    // oxlint-disable-next-line no-control-regex
    const parts = text.split(/\x1b\[(\d+)A\x1b\[0J/)
    for (const [index, part] of parts.entries()) {
      if (index % 2 === 1) this.lines.splice(this.lines.length - Number(part))
      else this.lines.push(...part.split('\n').slice(0, -1))
    }
  }
}

function display(
  screen: Screen,
  options: { json?: boolean; env?: Record<string, string> } = {},
): { progress: ProgressDisplay; clock: { ms: number } } {
  const clock = { ms: 1_000_000 }
  const { json = false, env = { NO_COLOR: '1' } } = options
  return { progress: createProgress({ json, stream: screen, env, now: () => clock.ms }), clock }
}

const started: RunEvent = { type: 'stage_started', stage: 'traces', dir: 'out' }
const finished: RunEvent = { type: 'stage_finished', stage: 'traces', summary: {} }
const progressed = (done: number, changes: object = {}): RunEvent => ({
  type: 'progress',
  stage: 'traces',
  done,
  total: 1200,
  unit: 'traces',
  metric: { name: 'valid', value: 0.4123 },
  ...changes,
})

test('on a terminal each running stage has one line, below the lines that stay', () => {
  const screen = new Screen(true)
  const { progress, clock } = display(screen)
  progress.events(started)
  clock.ms += 30_000
  progress.events(progressed(401))
  clock.ms += 10_000
  progress.events(progressed(501))
  // Loading and the 400 of an earlier attempt are not part of the rate: 100 in 10 s.
  const line = 'traces: 501/1,200 traces  41 %  10.0/s  1m 10s left  valid 0.412'
  expect(screen.lines).toEqual(['traces: started in out', line])
  progress.events({ type: 'warning', stage: 'traces', message: 'greedy' })
  progress.events({ type: 'stage_started', stage: 'dpo', dir: 'out2' })
  progress.note('stopping')
  expect(screen.lines).toEqual([
    'traces: started in out',
    'traces: warning: greedy',
    'dpo: started in out2',
    'stopping',
    line,
    'dpo: 0.0s',
  ])
  progress.events(finished)
  progress.events({ type: 'stage_failed', stage: 'dpo', code: 'no_pairs', message: 'none' })
  expect(screen.lines.slice(4)).toEqual([
    'traces: finished in 40s, 501 traces',
    'dpo: failed: none (no_pairs)',
  ])
  progress.end()
  progress.end()
  expect(screen.lines).toHaveLength(6)
})

test('the line of a finished stage has its rates, and the share of the peak where that is known', () => {
  const screen = new Screen(false)
  const { progress } = display(screen)
  const rate = { tokens: 1, seconds: 1, tokens_per_second: 12_345.6, flop: 1, mfu: 0.412 }
  const throughput = {
    device: 'NVIDIA H100 80GB HBM3',
    devices: 1,
    dtype: 'bfloat16',
    peak_flops: 989e12,
    mfu: 0.4,
    generated: null,
    trained: rate,
    scored: { ...rate, mfu: null },
  }
  progress.events({ ...finished, summary: { throughput } })
  // Whatever a stage of somebody else's has under that name.
  progress.events({ ...finished, summary: { throughput: 7 } })
  expect(screen.lines).toEqual([
    'traces: finished in 0.0s, trained 12,346 tokens/s (MFU 41 %), scored 12,346 tokens/s',
    'traces: finished in 0.0s',
  ])
})

test('live lines are drawn ten times a second at most, and cut to the width', () => {
  const screen = new Screen(true, 20)
  const { progress, clock } = display(screen)
  progress.events(started)
  const before = screen.raw.length
  for (let done = 1; done <= 50; done++) progress.events(progressed(done))
  expect(screen.raw.length).toBe(before)
  clock.ms += 100
  progress.events(progressed(51))
  expect(screen.lines.at(-1)).toBe('traces: 51/1,200 tr')
  progress.end()
})

test('what the workers do stands behind the last stage, or below it where there is no room', () => {
  const workers = (changes: object): RunEvent => ({
    type: 'workers',
    stage: 'backend',
    starting: 0,
    busy: 0,
    idle: 0,
    down: 0,
    ...changes,
  })
  const screen = new Screen(true, 60)
  const { progress, clock } = display(screen)
  const draw = (event: RunEvent): string[] => {
    clock.ms += 1000
    progress.events(event)
    return screen.lines
  }
  // Before the first stage, what takes its time is the workers' start.
  expect(draw(workers({ starting: 1 }))).toEqual(['1 worker: 1 starting'])
  expect(draw(workers({ idle: 1 }))).toEqual([])
  draw(started)
  expect(draw(workers({ busy: 1, starting: 1 })).at(-1)).toBe('traces: 1.0s  2 workers: 1 busy, 1 starting')
  expect(draw(progressed(5)).slice(1)).toEqual([
    'traces: 5/1,200 traces  0 %  valid 0.412',
    '  2 workers: 1 busy, 1 starting',
  ])
  draw(workers({ busy: 2 }))
  expect(draw(finished)).toEqual(['traces: started in out', 'traces: finished in 4.0s, 5 traces'])

  const log = new Screen(false)
  const plain = display(log)
  plain.progress.events(started)
  plain.progress.events(workers({ busy: 1, idle: 2, down: 1 }))
  plain.clock.ms += 20_000
  plain.progress.events(progressed(5))
  expect(log.lines).toEqual([
    'traces: started in out',
    'traces: 5/1,200 traces  0 %  valid 0.412  4 workers: 1 busy, 2 idle, 1 down',
  ])
})

test('colours are for terminals without NO_COLOR', () => {
  const raw = (screen: Screen, env: Record<string, string>): string => {
    const { progress } = display(screen, { env })
    progress.events({ type: 'warning', stage: 'a', message: 'b' })
    progress.end()
    return screen.raw
  }
  expect(raw(new Screen(true), {})).toContain('\x1b[33m')
  expect(raw(new Screen(true), { NO_COLOR: '1' })).toBe('a: warning: b\n')
  expect(raw(new Screen(true), { TERM: 'dumb' })).toBe('a: warning: b\n')
  expect(raw(new Screen(false), {})).toBe('a: warning: b\n')
})

test('in a log progress comes every ten seconds', () => {
  const screen = new Screen(false)
  const { progress, clock } = display(screen)
  progress.events(started)
  for (let second = 0; second <= 25; second++) {
    progress.events(progressed(second * 2, { total: undefined, metric: undefined }))
    clock.ms += 1000
  }
  progress.events(finished)
  progress.events({ ...finished, skipped: true })
  expect(screen.raw.split('\n')).toEqual([
    'traces: started in out',
    'traces: 20 traces  2.0/s',
    'traces: 40 traces  2.0/s',
    'traces: finished in 26s, 50 traces',
    'traces: finished by an earlier run',
    '',
  ])
})

test('as JSON each event is a line; progress is thinned, but never its last', () => {
  const screen = new Screen(true)
  const { progress, clock } = display(screen, { json: true })
  progress.events(started)
  for (let done = 1; done <= 1200; done++) {
    progress.events(progressed(done))
    clock.ms += 1
  }
  progress.note('hello')
  const documents: unknown[] = screen.lines.map((line) => JSON.parse(line))
  expect(documents[0]).toEqual({ time: new Date(1_000_000).toISOString(), ...started })
  expect(documents).toHaveLength(1 + 12 + 1 + 1)
  expect(documents.at(-2)).toMatchObject({ type: 'progress', done: 1200 })
  expect(documents.at(-1)).toMatchObject({ type: 'note', message: 'hello' })
})

test('texts cannot steer the terminal', () => {
  const screen = new Screen(true)
  const { progress } = display(screen)
  progress.events({ type: 'warning', stage: 'a', message: 'x\x1b[2Jy\nz\u202e\u009b' })
  progress.end()
  expect(screen.raw).toBe('a: warning: x [2Jy z \n')
})

test('a slow stage tells seconds per unit, and metrics are worded', () => {
  const screen = new Screen(false)
  const { progress, clock } = display(screen)
  progress.events(started)
  progress.events(progressed(0))
  clock.ms += 20_000
  progress.events(progressed(4, { total: 8 }))
  progress.events({ type: 'metric', stage: 'eval', values: { accuracy: 0.81234, n: 1300 } })
  expect(screen.lines.slice(1)).toEqual([
    'traces: 4/8 traces  50 %  5.0 s each  20s left  valid 0.412',
    'eval: accuracy 0.812, n 1,300',
  ])
})

test.each([
  [0, '0.0s'],
  [9_940, '9.9s'],
  [59_600, '1m 00s'],
  [185_000, '3m 05s'],
  [7_620_000, '2h 07m'],
])('%i ms is %s', (ms, text) => {
  expect(describeDuration(ms)).toBe(text)
})
