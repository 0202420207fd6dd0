import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generateProblems } from '../../src/problems/generator/generate.ts'
import { FakeServer } from '../backends/openai/fake-server.ts'
import { workerPython } from '../bridge/worker-python.ts'
import { Elenchus } from '../support/elenchus.ts'

const CONFIG = resolve(import.meta.dirname, '../../configs/tiny.chaos.oak.yaml')

/** Runs a program on a pseudo-terminal of 120 columns, and types Ctrl-C once a pattern has been shown. */
const TERMINAL = `
import fcntl, json, os, pty, re, struct, sys, termios
pattern, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 120, 0, 0))
shown, typed = b'', False
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:  # the other side is closed
        break
    if not data:
        break
    shown += data
    if not typed and re.search(pattern.encode(), shown):
        typed = True
        os.write(terminal, b'\\x03')
_, status = os.waitpid(pid, 0)
print(json.dumps({'code': os.waitstatus_to_exitcode(status), 'typed': typed, 'shown': shown.decode()}))
`

let elenchus: Elenchus
let folder: string
beforeAll(async () => {
  elenchus = await Elenchus.compile()
  folder = await mkdtemp(join(tmpdir(), 'elenchus-terminal-'))
  await writeFile(join(folder, 'terminal.py'), TERMINAL)
})
afterAll(async () => {
  await elenchus[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** What is left on the screen, by the two sequences that the display uses: up, and clear to the end. */
function screen(shown: string): string[] {
  const lines: string[] = []
  // oxlint-disable-next-line no-control-regex
  for (const [index, part] of shown.split(/\x1b\[(\d+)A\x1b\[0J/).entries()) {
    if (index % 2 === 1) lines.splice(lines.length - Number(part))
    else lines.push(...part.split('\r\n').slice(0, -1))
  }
  return lines
}

interface Shown {
  readonly code: number
  readonly typed: boolean
  readonly shown: string
}

async function onTerminal(pattern: string, args: readonly string[], env: object = {}): Promise<Shown> {
  const command = [join(folder, 'terminal.py'), pattern, process.execPath, elenchus.program, ...args]
  const { stdout } = await promisify(execFile)('python3', command, {
    env: { ...process.env, ...elenchus.env, TERM: 'xterm', ...env },
  })
  return JSON.parse(stdout) as Shown
}

// oxlint-disable-next-line no-control-regex
const COLOUR = /\x1b\[\d+m/g
const NEVER = '(?!)'

describe.skipIf(spawnSync('python3', ['-c', 'import pty']).status !== 0)('on a real terminal', () => {
  test.skipIf(workerPython === null)(
    'a live line with what the workers do; Ctrl-C takes it away and stops',
    { timeout: 120_000 },
    async () => {
      const { code, typed, shown } = await onTerminal(String.raw`\n[^\r\n]* steps [^\r\n]* workers?: \d`, [
        'run',
        CONFIG,
        '--set',
        `output=${join(folder, 'run')}`,
      ])
      expect(typed, shown).toBe(true)
      expect(code).toBe(130)
      expect(shown).toMatch(COLOUR)
      const left = screen(shown).map((line) => line.replaceAll(COLOUR, ''))
      expect(left.join('\n')).toMatch(/^base\/drill: started in .*$/m)
      expect(left.join('\n')).toMatch(/^stopping \(SIGINT\); a second signal stops at once$/m)
      expect(left.filter((line) => line.includes('workers: '))).toEqual([])
    },
  )

  test(
    'with NO_COLOR nothing is coloured; piped, there is nothing but lines',
    { timeout: 60_000 },
    async () => {
      await using server = await FakeServer.start({ owner: 'vllm' })
      const data = join(folder, 'problems.jsonl')
      const problems = generateProblems({ count: 8, seed: 1, split: 'train', hops: [1] })
      await writeFile(data, problems.map((each) => `${JSON.stringify(each)}\n`).join(''))
      const flags = ['--backend', 'openai', '--base-url', server.url, '--model', 'fake', '--data', data]
      const traces = (output: string): string[] => ['traces', ...flags, '--output', join(folder, output)]
      const terminal = await onTerminal(NEVER, traces('a'), { NO_COLOR: '1' })
      expect(terminal.code, terminal.shown).toBe(0)
      // Live all the same.
      expect(terminal.shown).toContain('\x1b[1A\x1b[0J')
      expect(terminal.shown).not.toMatch(COLOUR)
      expect(screen(terminal.shown)).toContainEqual(
        expect.stringMatching(/^traces: finished in .*, 16 traces$/),
      )
      const piped = await elenchus.run(...traces('b'))
      expect(piped.code, piped.stderr).toBe(0)
      expect(piped.stderr).not.toContain('\x1b')
      expect(piped.stderr).toMatch(/^traces: finished in .*, 16 traces$/m)
    },
  )
})
