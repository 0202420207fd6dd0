import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import * as z from 'zod'
import { ElenchusError } from '../errors.ts'
import type { Launch } from './launcher.ts'
import { torchrunLauncher, type TorchrunOptions } from './launchers/torchrun.ts'

export interface JoinOptions extends TorchrunOptions {
  /** `connection.json` of the run, on a file system that both machines see. */
  readonly connectionFile: string
  /** Workers of the whole run. */
  readonly worldSize: number
  readonly signal: AbortSignal
  readonly note: (text: string) => void
}

const connectionSchema = z.looseObject({
  endpoint: z.string(),
  epoch: z.number().int().nonnegative(),
  launch: z.string(),
})
type Found = z.infer<typeof connectionSchema>

const POLL_MS = 500
const CONNECT_MS = 3000

/**
 * Lends this machine to a run that another one orchestrates: for each start of its workers, the ranks of this
 * node are started too. Ends when the run has ended, which takes its connection file away.
 * @returns how often workers were started here
 */
export async function joinRun(options: JoinOptions): Promise<number> {
  const launcher = torchrunLauncher(options)
  if (options.nodes < 2 || options.nodeRank < 1) {
    throw new ElenchusError('usage', 'join is for --nnodes 2 or more and a --node-rank of at least 1.')
  }
  await launcher.prepare()
  let starts = 0
  let served: string | null = null
  options.note(`waiting for ${options.connectionFile}`)
  while (!options.signal.aborted) {
    const found = await read(options.connectionFile)
    if (found === null && served !== null) return starts
    if (found === null || found.launch === served || !(await answers(found.endpoint))) {
      await delay(POLL_MS)
      continue
    }
    served = found.launch
    starts += 1
    options.note(`start ${found.epoch} of the run: starting the workers of node ${options.nodeRank}`)
    await serve(launcher, found, options)
  }
  throw options.signal.reason
}

async function serve(
  launcher: ReturnType<typeof torchrunLauncher>,
  found: Found,
  { connectionFile, worldSize, nodeRank, signal, note }: JoinOptions,
): Promise<void> {
  const logDirectory = dirname(connectionFile)
  const launch: Launch = {
    // One process starts all ranks of this node; which those are, torchrun tells them.
    ranks: [{ rank: 0, logFile: `${logDirectory}/node-${nodeRank}.${found.epoch}.log` }],
    worldSize,
    epoch: found.epoch,
    connectionFile,
    logDirectory,
    // What the ranks need of it they read from the file.
    connection: {
      endpoint: found.endpoint,
      launch: found.launch,
      tokens: new Map(),
      epoch: found.epoch,
      parentPid: process.pid,
      heartbeatS: 1,
      workFolder: process.cwd(),
    },
  }
  const [workers] = await launcher.launch(launch)
  const stop = (): void => void workers?.cancel(2000)
  signal.addEventListener('abort', stop, { once: true })
  const exit = await workers?.exited
  signal.removeEventListener('abort', stop)
  note(`the workers of this node ended${exit?.code === 0 ? '' : `: ${JSON.stringify(exit)}`}`)
}

async function read(path: string): Promise<Found | null> {
  try {
    return connectionSchema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return null
  }
}

/** Whether somebody listens there: the file of a run that was killed stays behind. */
function answers(endpoint: string): Promise<boolean> {
  const [, host, port] = /^tcp:\/\/\[?([^\]]+)\]?:(\d+)$/.exec(endpoint) ?? []
  if (host === undefined) return Promise.resolve(false)
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: CONNECT_MS })
    const end = (open: boolean) => () => {
      socket.destroy()
      resolve(open)
    }
    socket.on('connect', end(true)).on('error', end(false)).on('timeout', end(false))
  })
}
