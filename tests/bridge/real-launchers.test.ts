import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Launcher } from '../../src/bridge/launcher.ts'
import { accelerateLauncher } from '../../src/bridge/launchers/accelerate.ts'
import { rayLauncher } from '../../src/bridge/launchers/ray.ts'
import { torchrunLauncher } from '../../src/bridge/launchers/torchrun.ts'
import { Scene } from './harness.ts'
import { workerPython } from './worker-python.ts'

const PATIENT = {
  startS: 240,
  silenceS: 240,
  unreachableS: 240,
  acceptS: 240,
  phaseS: {},
  otherPhaseS: 240,
  goodbyeS: 60,
}
/** The launchers import torch before their ranks do; other tests run beside. */
const TIMEOUT_MS = 600_000

/** Each with whether a worker is killed too: that is torchrun's doing under both, and takes a minute. */
const LAUNCHERS: readonly [string, boolean, (scene: Scene) => Launcher][] = [
  ['torchrun', true, () => torchrunLauncher({ nodes: 1, nodeRank: 0, devices: 'cpu' })],
  [
    'accelerate with a configuration of the user’s',
    false,
    (scene) => {
      mkdirSync(scene.logDirectory)
      const configFile = join(scene.logDirectory, 'accelerate.yaml')
      writeFileSync(
        configFile,
        'compute_environment: LOCAL_MACHINE\ndistributed_type: MULTI_GPU\nnum_machines: 1\nnum_processes: 2\nmixed_precision: "no"\ngpu_ids: all\ndebug: false\n',
      )
      return accelerateLauncher({ devices: 'cpu', configFile })
    },
  ],
]

describe.skipIf(workerPython === null)('two real workers under', () => {
  test.each(LAUNCHERS)(
    '%s: each has its own connection and log; killing one (%s) starts all again',
    async (_name, kills, launcherOf) => {
      await using scene = new Scene()
      const launcher = launcherOf(scene)
      await using group = await scene.start('', {
        launcher,
        ranks: 2,
        restarts: 1,
        heartbeatS: 1,
        limits: PATIENT,
      })
      expect(group.hellos.map(({ rank, world_size }) => [rank, world_size])).toEqual([
        [0, 2],
        [1, 2],
      ])
      const answers = await Promise.all(
        [0, 1].map((rank) => group.call('stats', {}, { on: { rank, epoch: 0 } }).result),
      )
      const [first, second] = answers.map(({ body }) => body.pid)
      expect(first).not.toBe(second)
      expect(readdirSync(scene.logDirectory)).toEqual(
        expect.arrayContaining(['worker-0.0.log', 'worker-1.0.log']),
      )
      if (!kills) return
      process.kill(second ?? 0, 'SIGKILL')
      await expect
        .poll(() => group.hellos.length === 2 && group.worker(1).then(({ epoch }) => epoch), {
          timeout: 240_000,
        })
        .toBe(1)
      const workers = await Promise.all([group.worker(0), group.worker(1)])
      expect(workers.map(({ epoch }) => epoch)).toEqual([1, 1])
      expect(readdirSync(scene.logDirectory)).toEqual(
        expect.arrayContaining(['worker-0.1.log', 'worker-1.1.log']),
      )
    },
    TIMEOUT_MS,
  )
})

const ray = process.env['ELENCHUS_RAY_ADDRESS']
if (ray === undefined) {
  process.stderr.write(
    'The test of the Ray launcher is skipped: start a cluster (`ray start --head`) and set ELENCHUS_RAY_ADDRESS=http://127.0.0.1:8265.\n',
  )
}

test.skipIf(ray === undefined || workerPython === null)(
  'two real workers on a Ray cluster: greeted, answer, start again after a death, and the job ends with the group',
  async () => {
    await using scene = new Scene()
    const jobs = async (): Promise<readonly { status: string }[]> =>
      (await (await fetch(`${ray}/api/jobs/`)).json()) as { status: string }[]
    const before = (await jobs()).length
    {
      await using group = await scene.start('', {
        launcher: rayLauncher({
          address: ray ?? '',
          gpusPerRank: 0,
          cpusPerRank: 1,
          ranks: 2,
          threads: 1,
          intervalMs: 200,
          ...(workerPython !== null && { python: workerPython }),
        }),
        ranks: 2,
        restarts: 1,
        heartbeatS: 1,
        limits: PATIENT,
      })
      expect(group.hellos.map(({ rank, world_size }) => [rank, world_size])).toEqual([
        [0, 2],
        [1, 2],
      ])
      const { body } = await group.call('stats', {}, { on: { rank: 1, epoch: 0 } }).result
      process.kill(body.pid, 'SIGKILL')
      await expect.poll(() => group.worker(1).then(({ epoch }) => epoch), { timeout: 240_000 }).toBe(1)
      await group.call('stats', {}, { on: { rank: 0, epoch: 1 } }).result
    }
    const submitted = await jobs()
    expect(submitted.length - before).toBe(2)
    expect(submitted.filter(({ status }) => status === 'RUNNING' || status === 'PENDING')).toEqual([])
  },
  TIMEOUT_MS,
)
