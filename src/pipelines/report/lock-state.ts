import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lifeOf, processIdentitySchema } from '../../runs/process-identity.ts'

/** Whether somebody works in an unfinished stage's directory, as far as this machine can see. */
export function lockedState(dir: string): 'running' | 'interrupted' | 'unknown' {
  let content: string
  try {
    content = readFileSync(join(dir, 'run.lock'), 'utf8')
  } catch {
    return 'interrupted'
  }
  try {
    const life = lifeOf(processIdentitySchema.parse(JSON.parse(content)))
    return life === 'alive' ? 'running' : life === 'dead' ? 'interrupted' : 'unknown'
  } catch {
    return 'unknown'
  }
}
