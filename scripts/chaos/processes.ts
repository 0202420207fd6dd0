import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Environment variable by which every process of one chaos run is known; children inherit it. */
export const MARKER = 'ELENCHUS_CHAOS'

export interface MarkedProcess {
  readonly pid: number
  readonly command: string
}

/** Living processes that carry the marker (Linux). A process that has ended has no environment, reaped or not. */
export function markedProcesses(marker: string): MarkedProcess[] {
  const wanted = `${MARKER}=${marker}`
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    const environment = read(`/proc/${name}/environ`)
    if (!environment.split('\0').includes(wanted)) return []
    return { pid: Number(name), command: read(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim() }
  })
}

/** The Python workers among them. */
export function markedWorkers(marker: string): MarkedProcess[] {
  return markedProcesses(marker).filter(({ command }) => command.includes('elenchus_runtime.worker'))
}

/**
 * Waits until none is left.
 *
 * @returns milliseconds until then; what is left, if it is still there after `limitMs`.
 */
export async function untilGone(
  marker: string,
  limitMs: number,
): Promise<{ readonly ms: number; readonly left: readonly MarkedProcess[] }> {
  const began = performance.now()
  for (;;) {
    const left = markedProcesses(marker)
    const ms = performance.now() - began
    if (left.length === 0 || ms > limitMs) return { ms, left }
    await sleep(10)
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // It has ended meanwhile, or belongs to somebody else.
    return ''
  }
}
