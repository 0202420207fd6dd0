import { execFileSync, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { ElenchusError } from '../../src/errors.ts'
import { MetricsWriter } from '../../src/runs/metrics.ts'
import { MetricsFollower } from '../../src/sinks/follow.ts'
import type { MetricsSink } from '../../src/sinks/sink.ts'
import { tensorboardSink } from '../../src/sinks/tensorboard.ts'
import { wandbSink } from '../../src/sinks/wandb.ts'
import { workerPython } from '../bridge/worker-python.ts'

const python = workerPython ?? 'python3'
function without(module: string): boolean {
  const found =
    spawnSync(python, ['-c', `import importlib.util as u; assert u.find_spec("${module}")`]).status === 0
  if (!found) console.warn(`skipped: ${module} is not installed (requirements-dev.txt)`)
  return !found
}

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-sinks-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** A stage that is trained to some step, as the training loops do it, after an attempt that was killed later. */
async function train(dir: string, sinks: readonly MetricsSink[], from: number, to: number): Promise<void> {
  await mkdir(dir, { recursive: true })
  const follower = new MetricsFollower(sinks, (message) => expect.fail(message))
  follower.events({ type: 'stage_started', stage: 'iter1/dpo', dir })
  {
    await using metrics = await MetricsWriter.open(join(dir, 'metrics.jsonl'), { afterStep: from })
    for (let step = from + 1; step <= to; step++) {
      await metrics.write({ step, loss: 1 / step, note: 'text' })
      await metrics.flush()
      follower.events({ type: 'progress', stage: 'iter1/dpo', done: step, unit: 'steps' })
    }
  }
  await follower.close()
}

/** What must be there after an attempt to step 7, killed, and a second one from the checkpoint at 5 to 12. */
const EXPECTED = Array.from({ length: 12 }, (_, index) => [index + 1, Math.fround(1 / (index + 1))])

describe('TensorBoard', () => {
  const READ = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]); events.Reload()
print(json.dumps({tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()['scalars']}))`

  test.skipIf(without('tensorboard'))(
    'reads all rows once, after a resume that cut some',
    async () => {
      const board = join(folder, 'board')
      const dir = join(folder, 'stage')
      await train(dir, [tensorboardSink(board)], 0, 7)
      await train(dir, [tensorboardSink(board)], 5, 12)
      expect(await readdir(join(board, 'iter1/dpo'))).toHaveLength(1)
      const printed = execFileSync(python, ['-c', READ, join(board, 'iter1/dpo')], { encoding: 'utf8' })
      expect(JSON.parse(printed)).toEqual({ loss: EXPECTED })
    },
    180_000,
  )
})

describe('Weights & Biases', () => {
  afterEach(() => vi.unstubAllEnvs())

  // Its file is a LevelDB log of protobuf records behind a header of 7 bytes.
  const READ = `
import glob, json, struct, sys
from wandb.proto import wandb_internal_pb2 as pb
def records(data):
    at, whole = 7, b''
    while at < len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from('<IHB', data, at)
        whole += data[at + 7:at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield whole
            whole = b''
rows = []
for path in glob.glob(sys.argv[1] + '/wandb/offline-run-*/*.wandb'):
    for data in records(open(path, 'rb').read()):
        record = pb.Record()
        record.ParseFromString(data)
        if record.HasField('history'):
            row = {(item.key or '/'.join(item.nested_key)): json.loads(item.value_json) for item in record.history.item}
            rows.append([row['iter1/dpo/step'], row['iter1/dpo/loss']])
print(json.dumps(rows))`

  test.skipIf(without('wandb'))(
    'offline: all rows once, under one id, after a resume that cut some',
    async () => {
      vi.stubEnv('WANDB_MODE', 'offline')
      vi.stubEnv('WANDB_SILENT', 'true')
      const run = join(folder, 'wandb-run')
      const open = () =>
        wandbSink({
          dir: run,
          project: 'p',
          config: { seed: 1 },
          python,
          onWarning: (text) => expect.fail(text),
        })
      await train(join(run, 'stage'), [await open()], 0, 7)
      await train(join(run, 'stage'), [await open()], 5, 12)
      const folders = (await readdir(join(run, 'wandb'))).filter((name) => name.startsWith('offline-run'))
      expect(folders).toHaveLength(1)
      const rows = JSON.parse(execFileSync(python, ['-c', READ, run], { encoding: 'utf8' })) as [
        number,
        number,
      ][]
      expect(rows.map(([step, loss]) => [step, Math.fround(loss)])).toEqual(EXPECTED)
    },
    300_000,
  )

  test('without the package: what to install, and where', async () => {
    const fake = join(folder, 'python')
    await writeFile(fake, '#!/bin/sh\necho "ModuleNotFoundError: No module named \'wandb\'" >&2\nexit 1\n', {
      mode: 0o755,
    })
    const error: unknown = await wandbSink({
      dir: join(folder, 'none'),
      project: 'p',
      config: {},
      python: fake,
      onWarning: () => undefined,
    }).catch((reason: unknown) => reason)
    expect(ElenchusError.is(error) && [error.code, error.hint]).toEqual([
      'environment',
      `Install it where the workers run: ${fake} -m pip install wandb`,
    ])
  })
})

test('a sink that fails costs no run', async () => {
  const warnings: string[] = []
  const broken: MetricsSink = {
    update: () => Promise.reject(new Error('disk')),
    close: () => Promise.resolve(),
  }
  const follower = new MetricsFollower([broken], (message) => warnings.push(message))
  const dir = join(folder, 'broken')
  await mkdir(dir)
  await writeFile(join(dir, 'metrics.jsonl'), '{"step":1,"loss":1}\n')
  follower.events({ type: 'stage_started', stage: 'sft', dir })
  await follower.close()
  expect(warnings).toEqual(['A metrics sink failed: disk'])
})
