import { spawnSync } from 'node:child_process'
import { choosePython } from '../../src/bridge/launchers/python.ts'

const candidate = choosePython(undefined)
const probe = spawnSync(candidate, ['-c', 'import importlib.util as u; assert u.find_spec("torch")'])

/** An interpreter with torch, or `null` where there is none: tests of the real worker are skipped there. */
export const workerPython: string | null = probe.status === 0 ? candidate : null
if (workerPython === null) {
  process.stderr.write(
    `Tests of the real worker are skipped: ${candidate} has no torch (./scripts/setup.sh).\n`,
  )
}
