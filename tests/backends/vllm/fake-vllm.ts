/** `vllm serve` as far as the orchestrator sees it: its flags, its health, its endpoints, a process of its own. */
import { spawn } from 'node:child_process'
import { appendFileSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { FakeServer, type Seen } from '../openai/fake-server.ts'

const [verb, model = '', ...flags] = process.argv.slice(2)
const flag = (name: string): string | undefined => flags[flags.indexOf(name) + 1]

if (verb !== 'serve' || model === 'broken') {
  process.stderr.write('ValueError: no such model\n')
  process.exit(1)
}
// vLLM's engine is a process of its own, too.
const engine = spawn('sleep', ['600'], { stdio: 'ignore' })
const { VLLM_ALLOW_RUNTIME_LORA_UPDATING: lora, CUDA_VISIBLE_DEVICES: devices } = process.env
appendFileSync(
  process.env['FAKE_VLLM_FACTS'] ?? '/dev/null',
  `${JSON.stringify({ pid: process.pid, engine: engine.pid, model, flags, lora, devices })}\n`,
)
await delay(300)
// Answers to known prompts, one of them by the seed; anything else is drawn.
const path = process.env['FAKE_VLLM_ANSWERS']
const answers =
  path === undefined ? {} : (JSON.parse(readFileSync(path, 'utf8')) as Record<string, readonly string[]>)
const script = ({ body }: Seen): string | undefined => {
  const known = answers[String(body['prompt'])]
  return known?.[Number(body['seed'] ?? 0) % known.length]
}
await FakeServer.start({ owner: 'vllm', model, port: Number(flag('--port')), script })
