import { basename } from 'node:path'
import { ElenchusError } from '../../errors.ts'
import { connectionLine } from '../connection-file.ts'
import type { Launch, Launcher, RankSpec } from '../launcher.ts'
import { startProcess } from './local-process.ts'
import { choosePython, RUNTIME_FOLDER } from './python.ts'
import { shellQuoted } from './shell.ts'
import { ownProcess } from './spawn.ts'
import { tied } from './program-launch.ts'

export interface CommandOptions {
  /**
   * The program and its arguments, one list per rank: `{cmd}` alone becomes the arguments that start a worker,
   * `{cmd}` within an argument the same quoted for a shell; besides `{rank}`, `{local_rank}`, `{world_size}` and,
   * with hosts, `{host}`.
   */
  readonly template: readonly string[]
  /** Ranks are dealt to these in equal blocks. */
  readonly hosts: readonly string[]
  /** The interpreter where the worker runs. */
  readonly python?: string | undefined
  readonly devices?: readonly number[] | 'cpu'
  readonly threads?: number | undefined
  /** Where ranks of a collective meet: a free port of the first host. */
  readonly masterPort: number
}

/**
 * Starts every rank through a program of the user's: `ssh {host} -- {cmd}`, `docker run -i image {cmd}`. The rank
 * gets its connection, secrets included, through stdin, which such programs pass on; never on a command line.
 */
export function commandLauncher(options: CommandOptions): Launcher {
  const { template, hosts } = options
  if (!template.some((argument) => argument.includes('{cmd}'))) {
    throw new ElenchusError(
      'config_invalid',
      'The launch command has no {cmd}: nothing would start a worker.',
    )
  }
  if (template.some((argument) => argument.includes('{host}')) && hosts.length === 0) {
    throw new ElenchusError('config_invalid', 'The launch command names {host}, but backend.hosts is empty.')
  }
  // The shim is one of ours and runs here, whatever the worker is started with.
  const here = choosePython(undefined)
  return {
    name: 'command',
    defaultRanks: Math.max(1, hosts.length) * devicesPerHost(options),
    sharesFiles: false,
    mixesOutput: false,
    restarts: 'rank',
    prepare: () => Promise.resolve(),
    render: (launch) =>
      launch.ranks.map((spec) => {
        const { localRank, host } = placeOf(spec, launch, options)
        return {
          title: `rank ${spec.rank}${host === undefined ? '' : `, on ${host} as its number ${localRank}`}; stdin: its connection`,
          argv: expand(spec, launch, options),
          environment: {},
        }
      }),
    launch: (launch) =>
      Promise.all(
        launch.ranks.map(async (spec) => {
          const { localRank } = placeOf(spec, launch, options)
          const place = { rank: spec.rank, worldSize: launch.worldSize, localRank }
          const started = await startProcess({
            argv: tied(here, expand(spec, launch, options)),
            env: { PYTHONPATH: RUNTIME_FOLDER, ELENCHUS_PARENT_PID: String(process.pid) },
            logFile: spec.logFile,
            input: connectionLine(launch.connection, place),
          })
          // ssh and docker would end by the signal that has a worker write its stacks.
          return { ...ownProcess(spec, started), dumpStacks: () => Promise.resolve() }
        }),
      ),
    reattach: () => Promise.resolve(null),
  }
}

function devicesPerHost({ devices }: CommandOptions): number {
  return Array.isArray(devices) ? Math.max(1, devices.length) : 1
}

function placeOf(
  { rank }: RankSpec,
  { worldSize }: Launch,
  { hosts }: CommandOptions,
): { readonly localRank: number; readonly host: string | undefined } {
  const perHost = Math.ceil(worldSize / Math.max(1, hosts.length))
  return { localRank: rank % perHost, host: hosts[Math.floor(rank / perHost)] }
}

/** The argument list of one rank. */
function expand(spec: RankSpec, launch: Launch, options: CommandOptions): readonly string[] {
  const { localRank, host } = placeOf(spec, launch, options)
  const worker = workerCommand(localRank, options)
  const values: Readonly<Record<string, string>> = {
    '{cmd}': worker.map(shellQuoted).join(' '),
    '{rank}': String(spec.rank),
    '{local_rank}': String(localRank),
    '{world_size}': String(launch.worldSize),
    '{host}': host ?? '',
  }
  return options.template.flatMap((argument) =>
    argument === '{cmd}'
      ? // ssh joins its arguments with blanks for a shell at the other end.
        worker.map((word) => (basename(options.template[0] ?? '') === 'ssh' ? shellQuoted(word) : word))
      : [argument.replaceAll(/\{\w+\}/g, (name) => values[name] ?? name)],
  )
}

/** What starts a worker where nothing of our environment arrives. It holds no secret. */
function workerCommand(localRank: number, options: CommandOptions): readonly string[] {
  const { devices, threads, hosts, masterPort } = options
  const device = Array.isArray(devices) ? devices[localRank] : devices === 'cpu' ? '' : undefined
  const environment: Readonly<Record<string, string | undefined>> = {
    ELENCHUS_CONNECTION: '-',
    PYTHONPATH: RUNTIME_FOLDER,
    PYTHONUNBUFFERED: '1',
    OMP_NUM_THREADS: threads === undefined ? undefined : String(threads),
    CUDA_VISIBLE_DEVICES: device === undefined ? undefined : String(device),
    MASTER_ADDR: hosts[0]?.replace(/^.*@/, ''),
    MASTER_PORT: hosts.length === 0 ? undefined : String(masterPort),
  }
  const assignments = Object.entries(environment).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  )
  return ['env', ...assignments, choosePython(options.python), '-m', 'elenchus_runtime.worker']
}
