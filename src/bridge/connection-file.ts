import { readFileSync, readlinkSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'

/** CURVE keys in Z85: the orchestrator's public key, and the pair that the ranks of one launch share. */
export interface CurveKeys {
  readonly serverKey: string
  readonly publicKey: string
  readonly secretKey: string
}

/** What the ranks of a launch need to find their orchestrator. */
export interface Connection {
  readonly endpoint: string
  /** Part of every routing id: who does not know it is not even listened to. */
  readonly launch: string
  /** By rank; each is good for one greeting of one start. */
  readonly tokens: ReadonlyMap<number, string>
  /** Counts the starts. */
  readonly epoch: number
  readonly parentPid: number
  readonly heartbeatS: number
  /** For connections that leave the machine. */
  readonly curve?: CurveKeys
  /** A rank that hears nothing for so long leaves; for machines where it cannot see its orchestrator end. */
  readonly orphanS?: number
  /** Ranks write their output to `worker-RANK.EPOCH.log` there, where their launcher mixes it. */
  readonly logFolder?: string
  /** Where the orchestrator works: paths in requests are relative to it, wherever the launcher starts a rank. */
  readonly workFolder: string
}

/** A rank's place, for ranks that are not told by their environment. */
export interface Place {
  readonly rank: number
  readonly worldSize: number
  readonly localRank: number
}

/** Writes the file, readable by this user only: it holds secrets. An earlier one is replaced in one step. */
export async function writeConnectionFile(path: string, connection: Connection): Promise<void> {
  const temporary = `${path}.${process.pid}`
  await writeFile(temporary, connectionLine(connection), { mode: 0o600, flag: 'wx' })
  await rename(temporary, path)
}

/** The content as one line; with a place, for that rank alone, which then needs no environment. */
export function connectionLine(connection: Connection, place?: Place): string {
  const { curve, orphanS, logFolder } = connection
  const tokens = [...connection.tokens].filter(([rank]) => place === undefined || rank === place.rank)
  const content = {
    endpoint: connection.endpoint,
    launch: connection.launch,
    tokens: Object.fromEntries(tokens),
    epoch: connection.epoch,
    parent_pid: connection.parentPid,
    process_space: processSpace(),
    heartbeat_s: connection.heartbeatS,
    work_folder: connection.workFolder,
    ...(curve !== undefined && {
      curve: { server_key: curve.serverKey, public_key: curve.publicKey, secret_key: curve.secretKey },
    }),
    ...(orphanS !== undefined && { orphan_s: orphanS }),
    ...(logFolder !== undefined && { log_folder: logFolder }),
    ...(place !== undefined && {
      place: { rank: place.rank, world_size: place.worldSize, local_rank: place.localRank },
    }),
  }
  return `${JSON.stringify(content)}\n`
}

/** Names where our process ids mean something: this boot of this machine, and the container in it. */
function processSpace(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`
  } catch {
    return hostname()
  }
}
