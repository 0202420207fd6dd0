import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readLogTail } from '../../src/bridge/launchers/log-tail.ts'
import { checkPython, choosePython } from '../../src/bridge/launchers/python.ts'
import { spawnLauncher } from '../../src/bridge/launchers/spawn.ts'
import { workerEnvironment, type Placement } from '../../src/bridge/launchers/worker-environment.ts'
import { failureOf } from './harness.ts'
import { workerPython } from './worker-python.ts'

const folder = mkdtempSync('/tmp/el-')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the environment of a worker', () => {
  const LAUNCH = { worldSize: 2, connectionFile: '/c.json' }
  const environment = (
    placement: Partial<Placement>,
    inherited: Record<string, string> = {},
    machineHasGpu = false,
  ): Record<string, string> =>
    workerEnvironment(
      1,
      LAUNCH,
      { devices: 'default', pythonPath: ['/rt'], ...placement },
      inherited,
      machineHasGpu,
    )

  test('says which rank it is, besides what is inherited', () => {
    expect(environment({}, { HF_HUB_OFFLINE: '1', PYTHONPATH: '/mine' })).toEqual({
      RANK: '1',
      WORLD_SIZE: '2',
      LOCAL_RANK: '1',
      ELENCHUS_CONNECTION: '/c.json',
      ELENCHUS_DEATH_PIPE: '1',
      PYTHONPATH: '/rt:/mine',
      PYTHONUNBUFFERED: '1',
      OMP_NUM_THREADS: '1',
    })
  })

  test('counts threads by the option, then by what is set, then by the machine', () => {
    expect(environment({ threads: 3 }, { OMP_NUM_THREADS: '8' })['OMP_NUM_THREADS']).toBe('3')
    expect(environment({}, { OMP_NUM_THREADS: '8' })['OMP_NUM_THREADS']).toBeUndefined()
    expect(environment({}, {}, true)['OMP_NUM_THREADS']).toBeUndefined()
    expect(environment({ devices: 'cpu' }, {}, true)['OMP_NUM_THREADS']).toBe('1')
  })

  test('names devices within CUDA_VISIBLE_DEVICES, one per rank, which is then its first', () => {
    const devices = [2, 0]
    expect(environment({ devices })).toMatchObject({ CUDA_VISIBLE_DEVICES: '0', LOCAL_RANK: '0' })
    expect(environment({ devices }, { CUDA_VISIBLE_DEVICES: 'GPU-a, 5,6' })['CUDA_VISIBLE_DEVICES']).toBe(
      'GPU-a',
    )
    expect(environment({ devices: [0, 2] }, { CUDA_VISIBLE_DEVICES: '4,5,6' })['CUDA_VISIBLE_DEVICES']).toBe(
      '6',
    )
    expect(environment({ devices: 'cpu' })['CUDA_VISIBLE_DEVICES']).toBe('')
    expect(environment({}, { CUDA_VISIBLE_DEVICES: '3' })['CUDA_VISIBLE_DEVICES']).toBeUndefined()
  })

  test('refuses a device that is not offered', () => {
    const ask = () => environment({ devices: [0, 2] }, { CUDA_VISIBLE_DEVICES: '4,5' })
    expect(ask).toThrow(/Device 2 does not exist: CUDA_VISIBLE_DEVICES is "4,5"/)
    expect(() => environment({ devices: [0] })).toThrow(/1 devices, but a worker of rank 1/)
  })
})

describe('the interpreter', () => {
  const fake = (name: string, output: string): string => {
    const path = join(folder, name)
    writeFileSync(path, `#!/bin/sh\n${output}\n`)
    chmodSync(path, 0o755)
    return path
  }

  test.each([
    ['that does not exist', () => '/nowhere/python', /"\/nowhere\/python" cannot run workers: .*ENOENT/],
    [
      'that is too old',
      () => fake('old', `echo '{"version": [3, 9], "missing": []}'`),
      /version 3.9; 3.11 or later/,
    ],
    [
      'without packages',
      () => fake('bare', `echo '{"version": [3, 12], "missing": ["torch", "peft"]}'`),
      /it has no torch, peft\./,
    ],
    ['that is none', () => fake('cat', 'echo meow'), /makes no sense: meow/],
    ['that crashes', () => fake('crash', 'echo broken install >&2; exit 1'), /broken install/],
  ])('%s is refused before anything starts, with what to run', async (_what, path, message) => {
    const error = await failureOf(checkPython(path()))
    expect(error.code).toBe('environment')
    expect(error.message).toMatch(message)
    expect(error.hint).toContain('./scripts/setup.sh')
  })

  test('is the option, else ELENCHUS_PYTHON', () => {
    const before = process.env['ELENCHUS_PYTHON']
    process.env['ELENCHUS_PYTHON'] = '/from/environment'
    expect(choosePython('/from/option')).toBe('/from/option')
    expect(choosePython(undefined)).toBe('/from/environment')
    process.env['ELENCHUS_PYTHON'] = ''
    expect(choosePython(undefined)).not.toBe('')
    if (before === undefined) delete process.env['ELENCHUS_PYTHON']
    else process.env['ELENCHUS_PYTHON'] = before
  })

  test.skipIf(workerPython === null)('of the checkout is fine', async () => {
    await expect(checkPython(workerPython ?? '')).resolves.toBeUndefined()
  })
})

test('one worker per device, one without devices', () => {
  expect(spawnLauncher().defaultRanks).toBe(1)
  expect(spawnLauncher({ devices: 'cpu' }).defaultRanks).toBe(1)
  expect(spawnLauncher({ devices: [0, 1, 3] }).defaultRanks).toBe(3)
})

describe('the tail of a log', () => {
  test('is its last whole lines', async () => {
    const path = join(folder, 'long.log')
    writeFileSync(path, Array.from({ length: 5000 }, (_, line) => `line ${line}\n`).join(''))
    const lines = (await readLogTail(path)).split('\n')
    expect(lines).toEqual(Array.from({ length: 30 }, (_, line) => `line ${4970 + line}`))
  })

  test('of one endless line is the end of that line', async () => {
    const path = join(folder, 'endless.log')
    writeFileSync(path, `${'x'.repeat(100_000)}end`)
    expect(await readLogTail(path)).toMatch(/^x+end$/)
  })

  test('is all of a short log, and empty without one', async () => {
    const path = join(folder, 'short.log')
    writeFileSync(path, 'one\ntwo\n')
    expect(await readLogTail(path)).toBe('one\ntwo')
    expect(await readLogTail(join(folder, 'none.log'))).toBe('')
  })
})
