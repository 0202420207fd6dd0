import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { alive, failureOf, generateBody, LINUX, Scene } from './harness.ts'

describe('requests', () => {
  test('come back with their result, many at a time', async () => {
    await using scene = new Scene()
    await using group = await scene.start('answers')
    const results = await Promise.all(Array.from({ length: 200 }, () => group.call('stats', {}).result))
    expect(new Set(results.map(({ body }) => body.pid))).toEqual(new Set([group.hellos[0]?.pid]))
  })

  test('that the worker refuses fail with its code, and nothing else is harmed', async () => {
    await using scene = new Scene()
    await using group = await scene.start('answers')
    const error = await failureOf(group.call('model.unload', {}).result)
    expect(error.code).toBe('unknown_op')
    expect(error.details).toEqual({ op: 'model.unload', rank: 0, epoch: 0 })
    await group.call('stats', {}).result
  })

  test('stream their events in order, each once', async () => {
    await using scene = new Scene()
    await using group = await scene.start('answers')
    const keys = ['a', 'b', 'c']
    const call = group.call('generate', generateBody(keys), { sequences: 3 })
    const seen: string[] = []
    for await (const { body, blobs } of call.events) {
      expect(Buffer.from(Uint8Array.from(blobs.ids)).toString()).toBe(`answer to ${body.key} by null`)
      seen.push(body.key)
    }
    expect(seen).toEqual(keys)
    expect((await call.result).body.completions).toBe(3)
  })

  test.each(['loses-the-first-copy', 'loses-its-answer'])(
    '%s: is asked again, and answers',
    async (behaviour) => {
      await using scene = new Scene()
      await using group = await scene.start(behaviour)
      expect((await group.call('stats', {}).result).body.rss_bytes).toBe(1)
    },
  )

  test('that are slow but move are left in peace', async () => {
    await using scene = new Scene()
    await using group = await scene.start('is-slow')
    expect((await group.call('stats', {}).result).body.rss_bytes).toBe(1)
  })
})

test('a worker that was stopped for longer than the connection lives goes on afterwards', async () => {
  await using scene = new Scene()
  await using group = await scene.start('answers')
  const pid = group.hellos[0]?.pid ?? 0
  process.kill(pid, 'SIGSTOP')
  const call = group.call('stats', {})
  await delay(4500)
  process.kill(pid, 'SIGCONT')
  expect((await call.result).body.pid).toBe(pid)
  expect((await group.call('stats', {}).result).body.pid).toBe(pid)
})

describe('giving up', () => {
  test('by the signal fails the call at once and frees the worker', async () => {
    await using scene = new Scene()
    await using group = await scene.start('works-until-cancelled')
    const controller = new AbortController()
    const call = group.call('generate', generateBody(['a']), { sequences: 8, signal: controller.signal })
    await delay(200)
    controller.abort()
    expect((await failureOf(call.result)).code).toBe('cancelled')
    // All credits were taken: this one is only sent once the worker has ended the cancelled one.
    const next = group.call('generate', generateBody(['b']), { sequences: 8, deadlineS: 0.3 })
    expect((await failureOf(next.result)).code).toBe('deadline_exceeded')
    await group.call('stats', {}).result
  })

  test('before the request is sent sends nothing', async () => {
    await using scene = new Scene()
    await using group = await scene.start('never-answers')
    const call = group.call('stats', {}, { signal: AbortSignal.abort() })
    expect((await failureOf(call.result)).code).toBe('cancelled')
    expect((await failureOf(iterate(call.events))).code).toBe('cancelled')
  })

  test('by leaving the event loop cancels the request', async () => {
    await using scene = new Scene()
    await using group = await scene.start('works-until-cancelled')
    const call = group.call('generate', generateBody(['a', 'b']), { sequences: 8 })
    for await (const _ of call.events) break
    expect((await failureOf(call.result)).code).toBe('cancelled')
    const next = group.call('generate', generateBody(['c', 'd']), { sequences: 8 })
    for await (const { body } of next.events) {
      expect(body.key).toBe('c')
      break
    }
  })

  test('by closing the group ends what runs and what waits', async () => {
    await using scene = new Scene()
    await using group = await scene.start('works-until-cancelled')
    const running = group.call('generate', generateBody(['a']), { sequences: 8 })
    const waiting = group.call('generate', generateBody(['b']), { sequences: 8 })
    const failures = Promise.all([failureOf(running.result), failureOf(waiting.result)])
    await delay(100)
    await group[Symbol.asyncDispose]()
    expect((await failures).map(({ code }) => code)).toEqual(['cancelled', 'cancelled'])
    expect((await failureOf(group.call('stats', {}).result)).code).toBe('cancelled')
  })
})

describe('credits', () => {
  test('hold back what the worker has no room for until events are read', async () => {
    await using scene = new Scene()
    await using group = await scene.start('answers')
    const first = group.call('generate', generateBody(['a', 'b', 'c', 'd']), { sequences: 4 })
    await first.result
    const events = first.events[Symbol.asyncIterator]()
    const second = group.call('generate', generateBody(['e', 'f', 'g', 'h', 'i', 'j']), { sequences: 6 })
    let answered = false
    void second.result.then(() => (answered = true))
    await delay(200)
    expect(answered).toBe(false)
    await events.next()
    await delay(200)
    expect(answered).toBe(false)
    await events.next()
    await second.result
  })

  test('are a limit that a single request cannot pass', async () => {
    await using scene = new Scene()
    await using group = await scene.start('answers')
    const error = await failureOf(group.call('generate', generateBody(['a']), { sequences: 9 }).result)
    expect(error.code).toBe('bad_request')
    expect(error.message).toBe('generate asks for 9 sequences at once; a worker takes at most 8.')
  })
})

describe('a group of several ranks', () => {
  test('deals requests to whichever rank is free', async () => {
    await using scene = new Scene()
    await using group = await scene.start('works-until-cancelled', { ranks: 3 })
    const stop = new AbortController()
    for (const key of ['a', 'b', 'c']) {
      void group.call('generate', generateBody([key]), { sequences: 8, signal: stop.signal })
    }
    const pids = new Set<number>()
    for (let index = 0; index < 3; index += 1) {
      pids.add((await group.call('stats', {}, { on: { rank: index, epoch: 0 } }).result).body.pid)
    }
    expect(pids.size).toBe(3)
    stop.abort()
  })

  test('goes on when one of them dies', async () => {
    await using scene = new Scene()
    await using group = await scene.start('answers', { ranks: 2 })
    const victim = group.hellos[0]?.pid ?? 0
    process.kill(victim, 'SIGKILL')
    await expect.poll(() => alive(victim)).toBe(false)
    await expect
      .poll(async () => group.call('stats', {}).result.then(({ body }) => body.pid))
      .toBe(group.hellos[1]?.pid)
    const bound = await failureOf(group.call('stats', {}, { on: { rank: 0, epoch: 0 } }).result)
    expect(bound.code).toBe('worker_died')
  })
})

describe('restarts', () => {
  test('serve the next request with the next epoch, and its own log', async () => {
    await using scene = new Scene()
    await using group = await scene.start('dies-at-first', { restarts: 1 })
    expect((await failureOf(group.call('stats', {}).result)).code).toBe('worker_died')
    await group.call('stats', {}).result
    expect(group.hellos.map(({ epoch }) => epoch)).toEqual([1])
    expect(scene.log('worker-0.0.log')).toContain('illegal memory access')
    expect(scene.log('worker-0.1.log')).toBe('')
  })

  test('are one however many ask for them at once', async () => {
    await using scene = new Scene()
    await using group = await scene.start('dies-at-first', { restarts: 5 })
    await failureOf(group.call('stats', {}).result)
    const workers = await Promise.all(Array.from({ length: 5 }, () => group.worker(0)))
    expect(workers.map(({ epoch }) => epoch)).toEqual([1, 1, 1, 1, 1])
  })

  test('never serve a request that was meant for the start before', async () => {
    await using scene = new Scene()
    await using group = await scene.start('dies-at-first', { restarts: 1 })
    const on = { rank: 0, epoch: 0 }
    await failureOf(group.call('stats', {}, { on }).result)
    await group.worker(0)
    expect((await failureOf(group.call('stats', {}, { on }).result)).code).toBe('worker_died')
  })

  test('end: then the last failure is the answer to everything', async () => {
    await using scene = new Scene()
    await using group = await scene.start('dies-mid-request', { restarts: 1 })
    await failureOf(group.call('stats', {}).result)
    await failureOf(group.call('stats', {}).result)
    const error = await failureOf(group.call('stats', {}).result)
    expect(error.code).toBe('worker_died')
    expect(error.details).toMatchObject({ epoch: 1 })
    expect((await failureOf(group.worker(0))).code).toBe('worker_died')
  })
})

describe('traces on the machine', () => {
  test.skipIf(!LINUX)('are private to the user while the group lives', async () => {
    await using scene = new Scene()
    await using group = await scene.start('answers')
    expect(group.size).toBe(1)
    const environment = readFileSync(`/proc/${group.hellos[0]?.pid}/environ`, 'utf8')
    const file = /ELENCHUS_CONNECTION=([^\0]+)/.exec(environment)?.[1] ?? ''
    expect(file.startsWith(scene.root)).toBe(true)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(statSync(join(file, '..')).mode & 0o777).toBe(0o700)
    expect(statSync(join(scene.logDirectory, 'worker-0.0.log')).mode & 0o777).toBe(0o600)
    expect(environment).not.toContain(group.hellos[0]?.token ?? '')
  })

  test('are gone after closing, however unwilling the worker and its children', async () => {
    await using scene = new Scene()
    const group = await scene.start('will-not-leave', { limits: { goodbyeS: 0.2 } })
    const child = (await group.call('stats', {}).result).body.uptime_s
    expect(alive(child)).toBe(true)
    await group[Symbol.asyncDispose]()
    await expect.poll(() => alive(child)).toBe(false)
  })

  test('include what a worker had started itself, when it dies', async () => {
    await using scene = new Scene()
    await using group = await scene.start('will-not-leave')
    const child = (await group.call('stats', {}).result).body.uptime_s
    process.kill(group.hellos[0]?.pid ?? 0, 'SIGKILL')
    await expect.poll(() => alive(child)).toBe(false)
  })
})

async function iterate(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events) continue
}
