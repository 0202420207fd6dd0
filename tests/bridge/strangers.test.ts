import { readFileSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { curveKeyPair, Dealer } from 'zeromq'
import { describe, expect, test } from 'vitest'
import type { WorkerGroup } from '../../src/bridge/group.ts'
import type { Launch } from '../../src/bridge/launcher.ts'
import { encodeMessage } from '../../src/bridge/protocol/message.ts'
import { WorkerSocket } from '../../src/bridge/router.ts'
import { fixtureLauncher, failureOf, Scene } from './harness.ts'

/** How long a stranger waits for an answer that must not come. */
const PATIENCE_MS = 400

interface Opened {
  readonly scene: Scene
  readonly group: WorkerGroup
  readonly launch: Launch
}

/** A group with one worker, and everything that this worker was told. */
async function open(listen: string | undefined, behaviour = 'answers'): Promise<Opened> {
  const scene = new Scene()
  const launches: Launch[] = []
  const launcher = fixtureLauncher(behaviour)
  const group = await scene.start('', {
    listen,
    launcher: {
      ...launcher,
      launch(launch) {
        launches.push(launch)
        return launcher.launch(launch)
      },
    },
  })
  const [launch] = launches
  if (launch === undefined) throw new Error('Nothing was launched.')
  return { scene, group, launch }
}

function helloOf({ connection }: Launch): Uint8Array[] {
  const body = {
    token: connection.tokens.get(0) ?? '',
    protocol: 1,
    rank: 0,
    epoch: 0,
    world_size: 1,
    local_rank: 0,
    device: 'cpu',
    pid: 1,
    capabilities: [],
    versions: {},
    warnings: [],
    credits: 1,
  }
  return encodeMessage({ kind: 'hello', id: 'hello', body })
}

/** Connects, says everything, and tells how many messages came back. */
async function answersTo(
  options: ConstructorParameters<typeof Dealer>[0],
  endpoint: string,
  messages: readonly Uint8Array[][],
): Promise<number> {
  const dealer = new Dealer({ ...options, linger: 0, receiveTimeout: PATIENCE_MS, sendTimeout: PATIENCE_MS })
  dealer.connect(endpoint)
  let answers = 0
  try {
    for (const frames of messages) await dealer.send(frames)
    for (;;) {
      await dealer.receive()
      answers += 1
    }
  } catch {
    return answers
  } finally {
    dealer.close()
  }
}

const GARBAGE = [[Buffer.from('\xc1garbage')], [Buffer.alloc(0)], [Buffer.alloc(1 << 20, 0xff)]]

describe.each([
  ['an encrypted port', '127.0.0.1'],
  ['the private socket', undefined],
])('a stranger on %s', (_name, listen) => {
  test('gets nothing and harms nothing, whatever he knows', async () => {
    const { scene, group, launch } = await open(listen)
    await using _scene = scene
    await using _group = group
    const { endpoint, curve } = launch.connection
    expect(endpoint).toMatch(listen === undefined ? /^ipc:/ : /^tcp:\/\/127\.0\.0\.1:\d+$/)
    const keys = curve && {
      curveServerKey: curve.serverKey,
      curvePublicKey: curve.publicKey,
      curveSecretKey: curve.secretKey,
    }
    const foreign = curveKeyPair()
    const everything = [...GARBAGE, helloOf(launch), [...encodeMessage({ kind: 'bye', id: 'bye', body: {} })]]
    const routingId = `0#0#${launch.connection.launch}`
    const strangers: [string, ConstructorParameters<typeof Dealer>[0]][] = [
      ['with no key', { routingId: '0#0' }],
      [
        'with keys of his own',
        keys && {
          ...keys,
          curvePublicKey: foreign.publicKey,
          curveSecretKey: foreign.secretKey,
          routingId: '0#0',
        },
      ],
      ['with our keys, replaying the greeting under another name', { ...keys, routingId: '0#0' }],
      ['with our keys and the name of a worker that is connected', { ...keys, routingId }],
      ['with a server key that is not ours', keys && { ...keys, curveServerKey: foreign.publicKey }],
    ]
    for (const [who, options] of strangers) {
      expect([who, await answersTo(options, endpoint, everything)]).toEqual([who, 0])
    }
    expect((await group.call('stats', {}).result).body.rss_bytes).toBe(1)
    expect(group.hellos).toHaveLength(1)
  })
})

test('bytes that are no ZeroMQ at all close one connection and nothing else', async () => {
  const { scene, group, launch } = await open('127.0.0.1')
  await using _scene = scene
  await using _group = group
  const port = Number(launch.connection.endpoint.split(':').at(-1))
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(1 << 20, 0xff), Buffer.alloc(0)]) {
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('error', () => undefined)
    socket.write(bytes)
    await delay(100)
    socket.destroy()
  }
  expect((await group.call('stats', {}).result).body.rss_bytes).toBe(1)
})

test('a worker with the wrong token is refused, and its launch with it', async () => {
  await using scene = new Scene()
  const error = await failureOf(scene.start('wrong-token', { listen: '127.0.0.1' }))
  expect(error.code).toBe('handshake_refused')
})

test('a worker that greets twice is ended: a token is good for one greeting', async () => {
  const { scene, group } = await open(undefined, 'greets-twice')
  await using _scene = scene
  await using _group = group
  await expect
    .poll(async () => (await failureOf(group.call('stats', {}).result)).code)
    .toBe('protocol_violation')
})

test('the socket is private, and so is the file with the secrets', async () => {
  const { scene, group, launch } = await open(undefined)
  await using _scene = scene
  await using _group = group
  const path = launch.connection.endpoint.replace('ipc://', '')
  expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700)
  expect(statSync(launch.connectionFile).mode & 0o777).toBe(0o600)
  const { tokens } = JSON.parse(readFileSync(launch.connectionFile, 'utf8')) as { tokens: object }
  expect(Object.values(tokens)).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)])
})

describe('an address', () => {
  test('is never bound without encryption', async () => {
    const bound = WorkerSocket.bind('tcp://127.0.0.1:*', () => undefined)
    expect((await failureOf(bound)).message).toMatch(/Nothing unencrypted/)
  })

  test.each(['0.0.0.0', '*', '::', 'not an address', '192.0.2.1'])(
    '%s is refused with what to give instead',
    async (address) => {
      const error = await failureOf(WorkerSocket.bindEncrypted(address, () => undefined))
      expect(error.code).toBe('config_invalid')
      expect(error.message).toContain(address)
    },
  )
})
