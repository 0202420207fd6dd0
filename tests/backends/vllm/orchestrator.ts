/** A process that has a vLLM server, says so, and waits to be killed. */
import { join } from 'node:path'
import { createVllmBackend } from '../../../src/backends/vllm/vllm.ts'

const [folder = '', program = '', ...rest] = process.argv.slice(2)
await createVllmBackend({ model: 'base', command: [program, ...rest], logDirectory: join(folder, 'logs') })
process.stdout.write('ready\n')
setInterval(() => undefined, 1000)
