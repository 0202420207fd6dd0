import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { WorkerGroup } from '../../src/bridge/group.ts'
import { joinRun } from '../../src/bridge/join.ts'
import { commandLauncher } from '../../src/bridge/launchers/command.ts'
import { torchrunLauncher } from '../../src/bridge/launchers/torchrun.ts'

/**
 * Run by `scripts/test-multinode.sh` inside the first of two network namespaces:
 * `node main.js FOLDER NAMESPACE_A NAMESPACE_B DEVICE_A`. Exits with 1 if anything is not as it must be.
 */
const [, , folder = '', first = '', second = '', device = ''] = process.argv
const ADDRESS = '10.77.0.1'
const LIMITS = { startS: 240, silenceS: 240, unreachableS: 60, acceptS: 240, phaseS: {}, otherPhaseS: 240 }
const CUT_MS = 6000

function say(text: string): void {
  process.stderr.write(`multinode: ${text}\n`)
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Not as it must be: ${what}.`)
  say(what)
}

/** Makes a tiny model with one worker and has both sample from it. */
async function rollouts(group: WorkerGroup): Promise<void> {
  const texts = join(folder, 'texts.jsonl')
  writeFileSync(texts, `${JSON.stringify('Every wumpus is a yumpus.')}\n`)
  const [tokenizer, model] = [join(folder, 'tokenizer'), join(folder, 'model')]
  await group.call('tokenizer.train', {
    path: tokenizer,
    texts_path: texts,
    phrase_patterns: [],
    special_tokens: { eos: '<eos>', pad: '<pad>' },
  }).result
  await group.call('model.create', {
    path: model,
    tokenizer_path: tokenizer,
    architecture: {
      hidden_size: 32,
      num_layers: 1,
      num_heads: 2,
      intermediate_size: 64,
      max_positions: 128,
      rope_theta: 100,
      tie_embeddings: true,
      attention_bias: true,
      initializer_range: 0.02,
    },
    seed: 1,
  }).result
  const load = { model, dtype: 'float32', trust_remote_code: false, deterministic: true } as const
  const texts_ = await Promise.all(
    [0, 1].map(async (rank) => {
      const on = { rank, epoch: 0 }
      await group.call('model.load', load, { on }).result
      return sample(group, rank)
    }),
  )
  check(texts_[0] === texts_[1], 'both machines sample the same text from the same seed')
}

async function sample(group: WorkerGroup, rank: number): Promise<string> {
  const call = group.call(
    'generate',
    {
      policy: null,
      engine: 'auto',
      requests: [{ key: 'k', prompt: 'Every wumpus', seed: 7 }],
      sampling: { temperature: 1, top_p: 1, max_new_tokens: 16 },
      stops: [],
      logprobs: false,
      deterministic: true,
    },
    { on: { rank, epoch: 0 }, sequences: 1 },
  )
  let text = ''
  for await (const { body } of call.events) text = body.text
  await call.result
  return text
}

async function commandOnBoth(): Promise<void> {
  await using group = await WorkerGroup.start({
    launcher: commandLauncher({
      template: ['ip', 'netns', 'exec', '{host}', '{cmd}'],
      hosts: [first, second],
      masterPort: 29_500,
      threads: 1,
    }),
    ranks: 2,
    listen: ADDRESS,
    logDirectory: join(folder, 'command'),
    limits: LIMITS,
  })
  check(group.hellos.length === 2, 'a worker on each machine has greeted over CURVE')
  await rollouts(group)
  execFileSync('ip', ['link', 'set', device, 'down'])
  await delay(CUT_MS)
  const during = group.call('stats', {}, { on: { rank: 1, epoch: 0 } })
  execFileSync('ip', ['link', 'set', device, 'up'])
  const { body } = await during.result
  check(body.pid > 0, `after ${CUT_MS / 1000} s without a link, a request sent meanwhile was answered`)
}

async function torchrunOnBoth(): Promise<void> {
  const logDirectory = join(folder, 'torchrun')
  mkdirSync(logDirectory)
  const nodes = { nodes: 2, rdzvEndpoint: `${ADDRESS}:29511`, devices: 'cpu' as const, threads: 1 }
  const stop = new AbortController()
  // The second node's agent and workers run in the second namespace, through a python that enters it.
  const python = join(folder, 'python')
  const { choosePython } = await import('../../src/bridge/launchers/python.ts')
  const own = choosePython(undefined)
  writeFileSync(python, `#!/bin/sh\nexec ip netns exec ${second} ${own} "$@"\n`, { mode: 0o755 })
  const joined = joinRun({
    ...nodes,
    python,
    nodeRank: 1,
    worldSize: 2,
    connectionFile: join(logDirectory, 'connection.json'),
    signal: stop.signal,
    note: say,
  })
  {
    await using group = await WorkerGroup.start({
      launcher: torchrunLauncher({ ...nodes, nodeRank: 0 }),
      ranks: 2,
      listen: ADDRESS,
      logDirectory,
      limits: LIMITS,
    })
    const ranks = group.hellos.map(({ rank }) => rank)
    check(ranks.join() === '0,1', 'torchrun on two nodes: both ranks have greeted over CURVE')
    await group.call('stats', {}, { on: { rank: 1, epoch: 0 } }).result
  }
  check((await joined) === 1, 'the second node was started once and has left with the run')
}

await commandOnBoth()
await torchrunOnBoth()
