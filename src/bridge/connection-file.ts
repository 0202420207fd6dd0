import { writeFile } from 'node:fs/promises'

/** What a rank needs to find its orchestrator. */
export interface ConnectionFile {
  readonly endpoint: string
  /** Known to one launch only. */
  readonly token: string
  /** Counts the starts of the rank. */
  readonly epoch: number
  readonly parentPid: number
  readonly heartbeatS: number
}

/** Writes the file, readable by this user only: it holds a secret. */
export async function writeConnectionFile(path: string, connection: ConnectionFile): Promise<void> {
  const content = {
    endpoint: connection.endpoint,
    token: connection.token,
    epoch: connection.epoch,
    parent_pid: connection.parentPid,
    heartbeat_s: connection.heartbeatS,
  }
  await writeFile(path, `${JSON.stringify(content)}\n`, { mode: 0o600, flag: 'wx' })
}
