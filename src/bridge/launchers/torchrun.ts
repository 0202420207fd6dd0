import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ElenchusError } from '../../errors.ts'
import type { Launch, Launcher } from '../launcher.ts'
import { launchProgram, renderProgram, tied, type ProgramLaunch } from './program-launch.ts'
import { checkPython, choosePython, RUNTIME_FOLDER } from './python.ts'
import { sharedEnvironment } from './worker-environment.ts'

export interface TorchrunOptions {
  readonly python?: string | undefined
  readonly devices?: readonly number[] | 'cpu'
  readonly threads?: number | undefined
  /** Machines; with more than one, each runs the same command with its own `nodeRank`. */
  readonly nodes: number
  readonly nodeRank: number
  /** `HOST:PORT` of the first machine, free for torchrun; needed with more than one. */
  readonly rdzvEndpoint?: string | undefined
}

/** Starts the ranks of this machine with `torchrun`, as one of `nodes` machines that do the same. */
export function torchrunLauncher(options: TorchrunOptions): Launcher {
  const python = choosePython(options.python)
  const { nodes, devices } = options
  if (nodes > 1 && options.rdzvEndpoint === undefined) {
    throw new ElenchusError('config_invalid', `torchrun on ${nodes} nodes needs --rdzv-endpoint HOST:PORT.`)
  }
  const program = (launch: Launch): ProgramLaunch => ({
    title: `all ranks of this machine, node ${options.nodeRank} of ${nodes}`,
    name: `node-${options.nodeRank}`,
    argv: torchrunCommand(python, launch, options),
    environment: sharedEnvironment(
      launch,
      {
        devices: devices ?? 'default',
        pythonPath: [RUNTIME_FOLDER],
        ...(options.threads !== undefined && { threads: options.threads }),
      },
      process.env,
      existsSync('/dev/nvidiactl'),
    ),
  })
  return {
    name: 'torchrun',
    defaultRanks: (Array.isArray(devices) ? Math.max(1, devices.length) : 1) * nodes,
    sharesFiles: nodes > 1,
    mixesOutput: true,
    restarts: 'group',
    prepare: () => checkPython(python),
    render: (launch) => renderProgram(program(launch)),
    launch: (launch) => launchProgram(program(launch), launch),
    reattach: () => Promise.resolve(null),
  }
}

function torchrunCommand(
  python: string,
  { worldSize, logDirectory }: Launch,
  { nodes, nodeRank, rdzvEndpoint }: TorchrunOptions,
): [string, ...string[]] {
  if (worldSize % nodes !== 0) {
    throw new ElenchusError(
      'config_invalid',
      `${worldSize} workers cannot be dealt evenly to ${nodes} nodes; --num-processes counts those of all nodes.`,
    )
  }
  const where =
    nodes === 1
      ? // Its own meeting place on this machine, whatever the host name leads to.
        ['--standalone', '--local-addr', '127.0.0.1']
      : ['--rdzv-backend', 'static', '--rdzv-endpoint', rdzvEndpoint ?? '', '--node-rank', String(nodeRank)]
  return tied(python, [
    python,
    '-m',
    'torch.distributed.run',
    '--nnodes',
    String(nodes),
    '--nproc-per-node',
    String(worldSize / nodes),
    ...where,
    // Restarting is ours: a new start needs a new connection.
    '--max-restarts',
    '0',
    // Otherwise it leaves folders in the system's temporary one.
    '--log-dir',
    join(logDirectory, 'torchrun'),
    '-m',
    'elenchus_runtime.worker',
  ])
}
