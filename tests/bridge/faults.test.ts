import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'
import type { Limits } from '../../src/bridge/limits.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { alive, failureOf, generateBody, Scene } from './harness.ts'
import { workerPython } from './worker-python.ts'

/** Every fault of a worker ends in a typed error: never a hang, no process and no socket left (see Scene). */
describe('a worker that does not come up', () => {
  test.each<[string, ErrorCode, RegExp, Partial<Limits>]>([
    ['exits-at-start', 'worker_start_failed', /exited with status 1.*No module named 'torch'/s, {}],
    ['says-nothing', 'worker_start_failed', /no greeting within 0.5 s/, { startS: 0.5 }],
    ['wrong-token', 'handshake_refused', /token is not that of this launch/, {}],
    ['wrong-protocol', 'handshake_refused', /speaks protocol 7, the orchestrator 1/, {}],
    ['wrong-version-of-messages', 'handshake_refused', /protocol version 7 came; this side speaks 1/, {}],
    ['wrong-epoch', 'handshake_refused', /says it has epoch 5; 0 was started/, {}],
  ])('%s: %s', async (behaviour, code, message, limits) => {
    await using scene = new Scene()
    const error = await failureOf(scene.start(behaviour, { limits }))
    expect(error.message).toMatch(message)
    expect(error.code).toBe(code)
    expect(error.details).toMatchObject({ rank: 0, epoch: 0, phase: 'start' })
  })

  test('is told why, so that its own log says it too', async () => {
    await using scene = new Scene()
    const error = await failureOf(scene.start('wrong-token'))
    expect(error.message).not.toContain('guessed')
    expect(scene.log()).toContain('told: The worker’s token is not that of this launch.')
  })

  test.skipIf(workerPython === null)(
    'because its libraries are too old names them, and what to run',
    async () => {
      await using scene = new Scene()
      const info = join(scene.logDirectory, 'transformers-4.40.0.dist-info')
      mkdirSync(info, { recursive: true })
      writeFileSync(join(info, 'METADATA'), 'Metadata-Version: 2.1\nName: transformers\nVersion: 4.40.0\n')
      const own = process.env['PYTHONPATH']
      process.env['PYTHONPATH'] = scene.logDirectory
      try {
        const launcher = spawnLauncher({ devices: 'cpu' })
        const error = await failureOf(scene.start('', { launcher, limits: { startS: 120 } }))
        expect(error.code).toBe('worker_start_failed')
        expect(error.exitCode).toBe(3)
        expect(error.message).toContain('transformers 4.40.0 (at least 5.10)')
        expect(error.message).toContain('elenchus setup')
      } finally {
        if (own === undefined) delete process.env['PYTHONPATH']
        else process.env['PYTHONPATH'] = own
      }
    },
  )

  test('because its program does not exist is named', async () => {
    await using scene = new Scene()
    const launcher = spawnLauncher({ command: ['/nowhere/python'] })
    const error = await failureOf(scene.start('', { launcher }))
    expect(error.code).toBe('worker_start_failed')
    expect(error.message).toMatch(/could not be run \(.*ENOENT/)
  })
})

describe('a worker that fails at a request', () => {
  test.each<[string, ErrorCode, RegExp, Partial<Limits>]>([
    ['answers-garbage', 'protocol_violation', /header/, {}],
    ['answers-without-a-field', 'protocol_violation', /result of stats .*at "rss_bytes"/, {}],
    ['answers-a-request-never-sent', 'protocol_violation', /"nobody asked", which is not open/, {}],
    ['sends-huge-frame', 'protocol_violation', /frames of at most 1048576/, {}],
    ['never-answers', 'protocol_violation', /accepted stats, is idle, and does not answer/, {}],
    ['never-accepts', 'worker_stalled', /did not accept stats for 0.5 s/, { acceptS: 0.5 }],
    ['stalls', 'worker_stalled', /no progress for 0.5 s in phase "step"/, {}],
    ['falls-silent', 'worker_stalled', /has been silent for 0.5 s/, { silenceS: 0.5 }],
    ['stops', 'worker_stalled', /has been silent for 0.5 s/, { silenceS: 0.5 }],
    ['dies-mid-request', 'worker_died', /in phase "step" during stats, died: it was ended by SIGKILL/, {}],
  ])('%s: %s', async (behaviour, code, message, limits) => {
    await using scene = new Scene()
    await using group = await scene.start(behaviour, { limits })
    const error = await failureOf(group.call('stats', {}).result)
    expect(error.message).toMatch(message)
    expect(error.code).toBe(code)
    expect(error.details).toMatchObject({ rank: 0, epoch: 0, op: 'stats' })
    // The worker is gone, and stays the reason for whatever is asked of it.
    expect((await failureOf(group.call('stats', {}).result)).code).toBe(code)
  })

  test.each([
    ['answers-twice', /result for the request .* not open/],
    ['talks-after-the-result', /event for the request .* not open/],
  ])('%s: the answer counts, and then the worker is ended', async (behaviour, message) => {
    await using scene = new Scene()
    await using group = await scene.start(behaviour)
    expect((await group.call('stats', {}).result).body.rss_bytes).toBe(1)
    await expect
      .poll(async () => (await failureOf(group.call('stats', {}).result)).code)
      .toBe('protocol_violation')
    expect((await failureOf(group.call('stats', {}).result)).message).toMatch(message)
  })

  test('sends-too-many-events: memory is not for the worker to fill', async () => {
    await using scene = new Scene()
    await using group = await scene.start('sends-too-many-events')
    const error = await failureOf(group.call('generate', generateBody(['a', 'b']), { sequences: 2 }).result)
    expect(error.code).toBe('protocol_violation')
    expect(error.message).toMatch(/more events than it has sequences/)
  })

  test('stops, found by the connection rather than by silence', async () => {
    await using scene = new Scene()
    await using group = await scene.start('stops', { limits: { unreachableS: 0.3 } })
    const error = await failureOf(group.call('stats', {}).result)
    expect(error.code).toBe('worker_stalled')
    expect(error.message).toMatch(/cannot be reached for 0.3 s although its process lives/)
  })

  test('dying is reported at once, with the log, and what it had finished still arrives', async () => {
    await using scene = new Scene()
    await using group = await scene.start('dies-mid-request')
    const call = group.call('generate', generateBody(['a', 'b']), { sequences: 2 })
    const keys: string[] = []
    const failed = failureOf(
      (async () => {
        for await (const { body } of call.events) keys.push(body.key)
      })(),
    )
    const pid = group.hellos[0]?.pid ?? 0
    const gone = new Promise<number>((resolve) => {
      const timer = setInterval(() => {
        if (alive(pid)) return
        clearInterval(timer)
        resolve(performance.now())
      }, 2)
    })
    const error = await failed
    const noticed = performance.now()
    expect(keys).toEqual(['a'])
    expect(error.code).toBe('worker_died')
    expect(error.message).toContain('an illegal memory access was encountered')
    expect(error.details).toMatchObject({ phase: 'step', op: 'generate', signal: 'SIGKILL' })
    expect(noticed - (await gone)).toBeLessThan(500)
  })
})
