import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import * as z from 'zod'
import { errnoCode } from './io-error.ts'

/** Names one process so that another can tell whether it still lives, whatever happened to its number since. */
export const processIdentitySchema = z.object({
  host: z.string(),
  pid: z.number().int().positive(),
  /** Start time in clock ticks since boot (Linux): tells a reused process number from the process. */
  start_ticks: z.string().nullable(),
  /** Changes with every boot (Linux). */
  boot_id: z.string().nullable(),
  /** Container boundary (Linux): in another namespace our process numbers mean nothing. */
  pid_namespace: z.string().nullable(),
})
export type ProcessIdentity = z.infer<typeof processIdentitySchema>

export function ownIdentity(): ProcessIdentity {
  return {
    host: hostname(),
    pid: process.pid,
    start_ticks: processStatus(process.pid)?.startTicks ?? null,
    boot_id: readOrNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pid_namespace: readOrNull(() => readlinkSync('/proc/self/ns/pid')),
  }
}

/** `unknown`: it ran where this process cannot look (another machine, another container, before a reboot). */
export function lifeOf(identity: ProcessIdentity): 'alive' | 'dead' | 'unknown' {
  const own = ownIdentity()
  const visible =
    own.boot_id === null || identity.boot_id === null
      ? identity.host === own.host
      : identity.boot_id === own.boot_id && identity.pid_namespace === own.pid_namespace
  if (!visible) return 'unknown'
  if (identity.start_ticks !== null) {
    const status = processStatus(identity.pid)
    return status?.startTicks === identity.start_ticks && !status.zombie ? 'alive' : 'dead'
  }
  try {
    process.kill(identity.pid, 0)
    return 'alive'
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return errnoCode(error) === 'ESRCH' ? 'dead' : 'alive'
  }
}

/** Fields 3 and 22 of /proc/<pid>/stat (proc(5)); undefined where there is no such process or no /proc. */
function processStatus(pid: number): { zombie: boolean; startTicks: string } | undefined {
  const text = readOrNull(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  if (text === null) return undefined
  // The second field is the program's name in brackets, which may itself hold blanks and brackets.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const startTicks = fields[19]
  return startTicks === undefined ? undefined : { zombie: fields[0] === 'Z', startTicks }
}

function readOrNull(read: () => string): string | null {
  try {
    return read()
  } catch {
    return null
  }
}
