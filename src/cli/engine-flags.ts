import type { Command } from 'commander'
import { backendSchema } from '../config/backend.ts'
import type { Override } from '../config/load.ts'
import { addSchemaFlags, givenSettings } from './flags.ts'

/** What samples, of all that a configuration says of its backend; the rest is `--set backend.KEY=VALUE`. */
const engineSchema = backendSchema.pick({ engine: true, vllm: true })

/** `--engine vllm --vllm-command /opt/vllm/bin/vllm` for commands that run a configuration. */
export function addEngineFlags(command: Command): Command {
  return addSchemaFlags(command, engineSchema)
}

export function engineOverrides(options: Readonly<Record<string, unknown>>): Override[] {
  return givenSettings(engineSchema, options).map(({ flag, path, value }) => ({
    path: ['backend', ...path],
    value,
    source: `--${flag}`,
  }))
}
