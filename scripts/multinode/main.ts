import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { StageContext } from '../../src/backends/context.ts'
import { createTorchBackend, type TorchBackend } from '../../src/backends/torch/torch.ts'
import { WorkerGroup } from '../../src/bridge/group.ts'
import { joinRun } from '../../src/bridge/join.ts'
import type { Launcher } from '../../src/bridge/launcher.ts'
import { commandLauncher } from '../../src/bridge/launchers/command.ts'
import { choosePython } from '../../src/bridge/launchers/python.ts'
import { torchrunLauncher } from '../../src/bridge/launchers/torchrun.ts'
import { rolloutsSchema } from '../../src/config/rollouts.ts'
import { dpoSchema } from '../../src/config/training.ts'
import { preferencePairSchema, type PreferencePair } from '../../src/preferences/pair.ts'
import { generateQuestions } from '../../src/problems/arithmetic/generate.ts'
import { renderAbelPrompt } from '../../src/prompts/abel.ts'
import { scoredGroupSchema } from '../../src/regime-w/group.ts'
import { runRollouts } from '../../src/rollouts/stage.ts'
import { readJsonl } from '../../src/runs/jsonl.ts'
import { runDpo } from '../../src/training/dpo.ts'

/**
 * Run by `scripts/test-multinode.sh` inside the first of two network namespaces:
 * `node main.js FOLDER NAMESPACE_A NAMESPACE_B DEVICE_A [--all]`. Exits with 1 if anything is not as it must be.
 */
const [, , folder = '', first = '', second = '', device = '', all = ''] = process.argv
const ADDRESS = '10.77.0.1'
const LIMITS = { startS: 240, silenceS: 240, unreachableS: 60, acceptS: 240, phaseS: {}, otherPhaseS: 240 }
const CUT_MS = 4000
const QUESTIONS = generateQuestions({ count: 96, split: 'train', seed: 1, steps: [1], maxOperand: 9 })

const began = performance.now()
function say(text: string): void {
  process.stderr.write(`multinode ${((performance.now() - began) / 1000).toFixed(1)} s: ${text}\n`)
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Not as it must be: ${what}.`)
  say(what)
}

/** Takes the link between the machines down, and up again a little later. */
async function cutLink(): Promise<void> {
  execFileSync('ip', ['link', 'set', device, 'down'])
  await delay(CUT_MS)
  execFileSync('ip', ['link', 'set', device, 'up'])
}

/** Torchrun on two nodes: the agent and the worker of the second run in the second namespace. */
async function withTorchrun(
  work: (launcher: Launcher, logDirectory: string) => Promise<void>,
): Promise<void> {
  const logDirectory = join(folder, 'torchrun')
  mkdirSync(logDirectory)
  const nodes = { nodes: 2, rdzvEndpoint: `${ADDRESS}:29511`, devices: 'cpu' as const, threads: 1 }
  const stop = new AbortController()
  const python = join(folder, 'python')
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
  try {
    await work(torchrunLauncher({ ...nodes, nodeRank: 0 }), logDirectory)
  } catch (error) {
    stop.abort(error)
    await joined.catch(() => null)
    throw error
  }
  check((await joined) === 1, 'the second node was started once and has left with the run')
}

async function makeModel(backend: TorchBackend, path: string): Promise<void> {
  const textsPath = `${path}-texts.jsonl`
  const texts = QUESTIONS.map(({ question, answer }) => renderAbelPrompt(question) + answer)
  writeFileSync(textsPath, texts.map((text) => `${JSON.stringify(text)}\n`).join(''))
  await backend.createTinyModel({
    path,
    textsPath,
    phrasePatterns: [' ?[A-Za-z]+', String.raw` ?\d+`],
    architecture: {
      hidden_size: 32,
      num_layers: 1,
      num_heads: 2,
      intermediate_size: 64,
      max_positions: 256,
      rope_theta: 100,
      tie_embeddings: true,
      attention_bias: false,
      initializer_range: 0.2,
    },
    seed: 1,
  })
  await backend.switchModel(path)
}

/** Samples on both machines; with a cut as soon as the first answers are there. Returns the file's bytes. */
async function rollouts(backend: TorchBackend, name: string, cut: boolean): Promise<string> {
  const path = join(folder, `${name}.jsonl`)
  const outages: Promise<void>[] = []
  const context: StageContext = {
    backend,
    resume: false,
    events: (event) => {
      if (cut && event.type === 'progress' && outages.length === 0) outages.push(cutLink())
    },
  }
  const config = rolloutsSchema.parse({ arms: 8, temperature: 1, max_new_tokens: 96 })
  const { fingerprint } = await backend.info()
  const policy = { kind: 'base', fingerprint } as const
  const began = performance.now()
  await runRollouts(context, { dir: join(folder, name), path, config, seed: 7, questions: QUESTIONS, policy })
  const seconds = (performance.now() - began) / 1000
  if (cut)
    check(
      outages.length > 0 && seconds > CUT_MS / 1000,
      `the link was down for ${CUT_MS / 1000} s of rollouts`,
    )
  await Promise.all(outages)
  return readFileSync(path, 'utf8')
}

/** The first two answers to each question, whatever they are worth. */
async function pairsOf(path: string): Promise<PreferencePair[]> {
  const pairs: PreferencePair[] = []
  for await (const group of readJsonl(path, scoredGroupSchema)) {
    const [chosen, rejected] = group.trajectories
    if (chosen === undefined || rejected === undefined) throw new Error('There are fewer than two answers.')
    pairs.push(
      preferencePairSchema.parse({
        question_id: group.question_id,
        prompt: group.prompt,
        prompt_tokens: group.prompt_tokens,
        chosen: chosen.full_text,
        rejected: rejected.full_text,
        chosen_ids: chosen.completion_ids,
        rejected_ids: rejected.completion_ids,
        chosen_score: 1,
        rejected_score: 0,
        margin: 1,
        pair_type: 'correctness',
        policy: group.policy,
      }),
    )
  }
  return pairs
}

async function rolloutsAndDpo(launcher: Launcher, logDirectory: string): Promise<void> {
  await using backend = createTorchBackend({
    model: join(folder, 'model'),
    dtype: 'float32',
    engine: 'auto',
    deterministic: true,
    trustRemoteCode: false,
    launcher,
    ranks: 2,
    listen: ADDRESS,
    logDirectory,
    limits: LIMITS,
  })
  await makeModel(backend, join(folder, 'model'))
  const pids = (await backend.stats()).map(({ pid }) => pid)
  check(new Set(pids).size === 2, 'torchrun on two nodes: a worker on each has greeted over CURVE')
  const calm = await rollouts(backend, 'calm', false)
  const models = (await backend.stats()).map((stats) => stats.models.length)
  check(models.join() === '1,1', `both have sampled: ${calm.trim().split('\n').length} groups of 8 answers`)
  const cut = await rollouts(backend, 'cut', true)
  check(cut === calm, 'the rollouts over a cut link are those of a whole one, byte for byte')
  const { fingerprint } = await backend.info()
  const dpo = await runDpo(
    { backend, resume: false, events: () => undefined },
    {
      dir: join(folder, 'dpo'),
      config: dpoSchema.parse({ learning_rate: 1e-3, max_steps: 2, batch_size: 32, lora: { rank: 4 } }),
      seed: 1,
      pairs: await pairsOf(join(folder, 'calm.jsonl')),
      dataFingerprint: 'calm',
      start: { kind: 'base', fingerprint },
    },
  )
  const loss = `${dpo.first_loss?.toFixed(4)} -> ${dpo.last_loss?.toFixed(4)}`
  check(
    dpo.steps === 2 && Math.abs((dpo.first_loss ?? 0) - Math.LN2) < 1e-3 && dpo.last_loss !== dpo.first_loss,
    `${dpo.steps} DPO steps over both, their weights equal (loss ${loss})`,
  )
  const after = (await backend.stats()).map(({ pid }) => pid)
  check(after.join() === pids.join(), 'the workers of the beginning did it all: none was started again')
}

/** One worker per machine through a program of the user's. */
async function commandOnBoth(): Promise<void> {
  await using group = await WorkerGroup.start({
    launcher: commandLauncher({
      // Elsewhere, as ssh and containers do it.
      template: ['ip', 'netns', 'exec', '{host}', 'sh', '-c', 'cd / && exec {cmd}'],
      hosts: [first, second],
      masterPort: 29_500,
      threads: 1,
    }),
    ranks: 2,
    listen: ADDRESS,
    logDirectory: join(folder, 'command'),
    limits: LIMITS,
  })
  check(group.hellos.length === 2, 'launch command: a worker on each machine has greeted over CURVE')
  const outage = cutLink()
  const { body } = await group.call('stats', {}, { on: { rank: 1, epoch: 0 } }).result
  await outage
  check(body.pid > 0, 'a request that was sent while the link was down was answered')
}

await withTorchrun(rolloutsAndDpo)
if (all === '--all') await commandOnBoth()
say('all as it must be')
