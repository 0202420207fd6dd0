/** `vllm serve` as far as the orchestrator sees it: its flags, its health, its endpoints, a process of its own. */
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { MARKER, markedWorkers } from '../../../scripts/chaos/processes.ts'
import { FakeServer, json, type Seen } from '../openai/fake-server.ts'
import { realModel } from './real-model.ts'

const [verb, model = '', ...flags] = process.argv.slice(2)
const flag = (name: string): string | undefined => flags[flags.indexOf(name) + 1]

if (verb !== 'serve' || model === 'broken') {
  process.stderr.write('ValueError: no such model\n')
  process.exit(1)
}
// vLLM's engine is a process of its own, too.
const engine = spawn('sleep', ['600'], { stdio: 'ignore' })
const { VLLM_ALLOW_RUNTIME_LORA_UPDATING: lora, CUDA_VISIBLE_DEVICES: devices } = process.env
// Of whoever started this: they may be on the same devices.
const workers = markedWorkers(process.env[MARKER] ?? '').length
appendFileSync(
  process.env['FAKE_VLLM_FACTS'] ?? '/dev/null',
  `${JSON.stringify({ pid: process.pid, engine: engine.pid, model, flags, lora, devices, workers })}\n`,
)
await delay(Number(process.env['FAKE_VLLM_START_MS'] ?? 300))
// Answers to known prompts, one of them by the seed; anything else is drawn.
const path = process.env['FAKE_VLLM_ANSWERS']
const answers =
  path === undefined ? {} : (JSON.parse(readFileSync(path, 'utf8')) as Record<string, readonly string[]>)
const script = ({ body }: Seen): string | undefined => {
  const known = answers[String(body['prompt'])]
  return known?.[Number(body['seed'] ?? 0) % known.length]
}
/** The first so many servers end in the middle of their work, as one whose engine has failed. */
const deaths = JSON.parse(process.env['FAKE_VLLM_DIES'] ?? 'null') as {
  after: number
  times: number
  file: string
} | null
const before = ({ body }: Seen, reply: ServerResponse, count: number): boolean => {
  if (deaths === null || body['max_tokens'] === 1 || count <= deaths.after) return false
  const { file, times } = deaths
  if (existsSync(file) && readFileSync(file, 'utf8').length >= times) return false
  json(reply, 500, { error: { message: 'EngineCore encountered an issue.' } })
  setTimeout(() => {
    appendFileSync(file, 'x')
    process.stderr.write(
      '(Worker pid=1) ERROR 11-29 16:24:34 [executor.py:1] Traceback (most recent call last):\n' +
        '(Worker pid=1) ERROR 11-29 16:24:34 [executor.py:1] RuntimeError: out of luck\n' +
        '(APIServer pid=2) EngineDeadError: see above\nleaked 64 types\n',
    )
    process.exit(1)
  }, 50)
  return true
}
const key = process.env['VLLM_API_KEY']
const port = Number(flag('--port'))
const perEvent = Number(flag('--stream-interval'))
const options = { owner: 'vllm', model, port, script, before, key, perEvent }
// A folder is a model that our own worker can load; anything else is a name.
const complete = process.env['FAKE_VLLM_REAL'] === '1' ? await realModel(model) : undefined
await FakeServer.start({ ...options, ...(complete && { complete }) })
