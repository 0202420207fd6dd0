import { existsSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Launch, Launcher } from '../../src/bridge/launcher.ts'
import { commandLauncher } from '../../src/bridge/launchers/command.ts'
import { rayLauncher } from '../../src/bridge/launchers/ray.ts'
import { shellQuoted } from '../../src/bridge/launchers/shell.ts'
import { slurmLauncher } from '../../src/bridge/launchers/slurm.ts'
import { failureOf, Scene } from './harness.ts'

const PROGRAMS = join(import.meta.dirname, 'fixtures/programs')
const PYTHON = join(PROGRAMS, 'python')
const COMMAND = { hosts: [], python: PYTHON, masterPort: 29_500 }
const SLURM = { nodes: 1, gpusPerNode: 0, options: [], masterPort: 29_500, intervalMs: 50, python: PYTHON }

const path = process.env['PATH'] ?? ''
let scene: Scene
beforeEach(() => {
  scene = new Scene()
  process.env['PATH'] = `${PROGRAMS}:${path}`
  process.env['FAKE_SLURM'] = scene.logDirectory
})
afterEach(async () => {
  process.env['PATH'] = path
  delete process.env['FAKE_SLURM']
  await scene[Symbol.asyncDispose]()
})

function launchOf(ranks: number): Launch {
  return {
    ranks: Array.from({ length: ranks }, (_, rank) => ({ rank, logFile: `/logs/worker-${rank}.0.log` })),
    worldSize: ranks,
    epoch: 0,
    connectionFile: '/logs/connection.json',
    logDirectory: '/logs',
    connection: {
      endpoint: 'tcp://10.0.0.1:5555',
      launch: 'name',
      tokens: new Map([[0, 'SECRET']]),
      epoch: 0,
      parentPid: 1,
      heartbeatS: 1,
      workFolder: '/work',
    },
  }
}

/** Starts a group, has every rank answer, kills the first, and tells the starts of all when it is back. */
async function epochsAfterDeath(launcher: Launcher, ranks: number): Promise<readonly number[]> {
  await using group = await scene.start('', { launcher, ranks, restarts: 1, listen: '127.0.0.1' })
  const pids = await Promise.all(
    Array.from({ length: ranks }, async (_, rank) => {
      const { body } = await group.call('stats', {}, { on: { rank, epoch: 0 } }).result
      return body.pid
    }),
  )
  expect(new Set(pids).size).toBe(ranks)
  expect(group.hellos.map(({ rank, world_size }) => [rank, world_size])).toEqual(
    pids.map((_, rank) => [rank, ranks]),
  )
  process.kill(pids[0] ?? 0, 'SIGKILL')
  await expect.poll(async () => (await group.worker(0)).epoch, { timeout: 30_000 }).toBe(1)
  // Awaited here: a group is closed before a promise that is returned has come to its end.
  return await Promise.all(pids.map(async (_, rank) => (await group.worker(rank)).epoch))
}

describe('the command launcher', () => {
  test('starts ranks through a program on hosts, which get their secrets by stdin', async () => {
    const template = ['ssh', '{host}', '--', '{cmd}']
    const launcher = commandLauncher({ ...COMMAND, template, hosts: ['one', 'two'] })
    expect(await epochsAfterDeath(launcher, 2)).toEqual([1, 0])
  })

  test('fills every place of the template, and quotes for a shell only within an argument', () => {
    const options = { ...COMMAND, python: "/o'dd path/python", threads: 2, devices: [4, 5] }
    const words = commandLauncher({
      ...options,
      template: ['srun', '--nodelist={host}', '-J', 'r{rank}.{local_rank}/{world_size}', '{cmd}'],
      hosts: ['me@one', 'two'],
    })
    const [, , third] = words.render(launchOf(4))
    expect(third?.argv.slice(0, 4)).toEqual(['srun', '--nodelist=two', '-J', 'r2.0/4'])
    expect(third?.argv.slice(4)).toEqual([
      'env',
      'ELENCHUS_CONNECTION=-',
      expect.stringMatching(/^PYTHONPATH=.*py-runtime$/),
      'PYTHONUNBUFFERED=1',
      'OMP_NUM_THREADS=2',
      'CUDA_VISIBLE_DEVICES=4',
      'MASTER_ADDR=one',
      'MASTER_PORT=29500',
      "/o'dd path/python",
      '-m',
      'elenchus_runtime.worker',
    ])
    expect(JSON.stringify(words.render(launchOf(4)))).not.toContain('SECRET')
    const [quoted] = commandLauncher({ ...options, template: ['bash', '-c', 'cd /x && exec {cmd}'] }).render(
      launchOf(1),
    )
    expect(quoted?.argv[2]).toMatch(
      /^cd \/x && exec env .*'\/o'\\''dd path\/python' -m elenchus_runtime.worker$/,
    )
    const [remote] = commandLauncher({ ...options, template: ['ssh', 'h', '{cmd}'] }).render(launchOf(1))
    expect(remote?.argv).toContain(`'/o'\\''dd path/python'`)
  })

  test.each([
    [['ssh', 'host'], /no \{cmd\}/],
    [['ssh', '{host}', '{cmd}'], /backend.hosts is empty/],
  ])('refuses %j', (template, message) => {
    expect(() => commandLauncher({ ...COMMAND, template })).toThrow(message)
  })

  test('a shell reads a quoted word back as it was', () => {
    expect(['plain/word=1', 'two words', "it's", '', '$(x)'].map(shellQuoted)).toEqual([
      'plain/word=1',
      "'two words'",
      `'it'\\''s'`,
      "''",
      "'$(x)'",
    ])
  })
})

describe('the SLURM launcher', () => {
  test('submits, follows, starts again as a whole, and cancels', async () => {
    expect(await epochsAfterDeath(slurmLauncher(SLURM), 2)).toEqual([1, 1])
    expect(existsSync(join(scene.logDirectory, 'connection.json'))).toBe(false)
  })

  test('renders a batch script without any secret', () => {
    const options = { ...SLURM, nodes: 2, gpusPerNode: 8, partition: 'a100', time: '8:00:00', account: 'me' }
    const launcher = slurmLauncher({
      ...options,
      options: ['--qos=high'],
      threads: 4,
      python: '/venv/bin/python',
    })
    expect(launcher.defaultRanks).toBe(16)
    const [{ script = '', argv } = { argv: [] }] = launcher.render(launchOf(16))
    expect(argv).toEqual(['sbatch', '--parsable', '/logs/launch.0.sbatch'])
    expect(script.replace(/PYTHONPATH=.*/, 'PYTHONPATH=RUNTIME')).toMatchInlineSnapshot(`
      "#!/bin/bash
      #SBATCH --job-name=elenchus
      #SBATCH --nodes=2
      #SBATCH --ntasks=16
      #SBATCH --ntasks-per-node=8
      #SBATCH --gpus-per-node=8
      #SBATCH --partition=a100
      #SBATCH --account=me
      #SBATCH --time=8:00:00
      #SBATCH --no-requeue
      #SBATCH --output=/logs/launch.0.log
      #SBATCH --qos=high
      set -euo pipefail
      export ELENCHUS_CONNECTION=/logs/connection.json
      export PYTHONPATH=RUNTIME
      export PYTHONUNBUFFERED=1
      export MASTER_PORT=29500
      export OMP_NUM_THREADS=4
      MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
      export MASTER_ADDR
      exec srun --kill-on-bad-exit=1 /venv/bin/python -m elenchus_runtime.worker
      "
    `)
    expect(script).not.toContain('SECRET')
    expect(() => launcher.render(launchOf(3))).toThrow(/3 workers cannot be dealt evenly to 2 nodes/)
  })

  test('ends a job that a killed orchestrator left', async () => {
    const launcher = slurmLauncher(SLURM)
    const abandoned = await scene.start('', { launcher, listen: '127.0.0.1' })
    const note = readFileSync(join(scene.logDirectory, 'job.json'), 'utf8')
    const { id } = JSON.parse(note) as { readonly id: string }
    const leftover = await launcher.reattach(scene.logDirectory)
    expect(leftover?.status()).toBe('running')
    await abandoned[Symbol.asyncDispose]()
    // As after a kill: the note is there, and the job may be.
    const { writeFileSync } = await import('node:fs')
    writeFileSync(join(scene.logDirectory, 'job.json'), note)
    await using group = await scene.start('', { launcher, listen: '127.0.0.1' })
    expect(readFileSync(join(scene.logDirectory, 'cancelled'), 'utf8')).toContain(id)
    expect(group.hellos).toHaveLength(1)
  })

  test('without SLURM says so before anything starts', async () => {
    process.env['PATH'] = '/nowhere'
    const error = await failureOf(slurmLauncher(SLURM).prepare())
    expect(error.code).toBe('environment')
    expect(error.message).toMatch(/sbatch failed/)
  })
})

describe('the Ray launcher', () => {
  /** The Jobs API as Ray 2 answers it. */
  async function serveJobs(handle: (request: string, body: string) => unknown) {
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      // Ray's own sign of a browser, to which it answers 405.
      const browser = request.headers['sec-fetch-mode'] !== undefined && request.method === 'POST'
      const result = browser ? undefined : handle(`${request.method} ${request.url}`, body)
      response.statusCode = result === undefined ? (browser ? 405 : 404) : 200
      response.end(JSON.stringify(result ?? 'no such job'))
    }
    const server = createServer((request, response) => void answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    return { server, address: `http://127.0.0.1:${port}/` }
  }
  const RAY = { gpusPerRank: 1, cpusPerRank: 2, ranks: 2, python: '/venv/bin/python', intervalMs: 20 }

  test('submits a job, follows it to its end and says how it ended', async () => {
    const requests: string[] = []
    let status = 'PENDING'
    const { server, address } = await serveJobs((request, body) => {
      requests.push(`${request} ${body}`)
      if (request === 'POST /api/jobs/') return { submission_id: 'raysubmit_1', job_id: '1' }
      if (request === 'POST /api/jobs/raysubmit_1/stop') {
        status = 'STOPPED'
        return { stopped: true }
      }
      return { status, message: 'by request' }
    })
    const launcher = rayLauncher({ ...RAY, address })
    await launcher.prepare()
    const { mkdirSync } = await import('node:fs')
    mkdirSync(scene.logDirectory, { recursive: true })
    const launch = { ...launchOf(2), logDirectory: scene.logDirectory }
    const [first, second] = await launcher.launch(launch)
    expect([first?.status(), second?.status()]).toEqual(['running', 'running'])
    const submitted = requests.find((request) => request.startsWith('POST /api/jobs/ ')) ?? ''
    expect(JSON.parse(submitted.replace('POST /api/jobs/ ', ''))).toMatchObject({
      entrypoint: 'python -m elenchus_runtime.ray_ranks 2 2 1 /venv/bin/python',
      runtime_env: { env_vars: { ELENCHUS_CONNECTION: '/logs/connection.json' } },
    })
    expect(submitted).not.toContain('SECRET')
    const exit = await first?.cancel(0)
    expect(exit?.reason).toBe('Ray job raysubmit_1 is STOPPED: by request')
    expect(existsSync(join(scene.logDirectory, 'job.json'))).toBe(false)
    server.close()
  })

  test('without a cluster says so, and what to start', async () => {
    const error = await failureOf(rayLauncher({ ...RAY, address: 'http://127.0.0.1:1' }).prepare())
    expect(error.code).toBe('environment')
    expect(error.hint).toContain('ray start --head')
  })
})
