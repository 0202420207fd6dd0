import { type Command, Option } from 'commander'
import { ElenchusError } from '../errors.ts'
import type { Aliases } from '../logic/checker/options.ts'
import { CLAIM_MODES, type ClaimMode } from '../logic/checker/step.ts'
import { collect } from './collect.ts'

export interface JudgeOptions {
  readonly claims: ClaimMode
  readonly alias: readonly string[]
}

/** How strictly a trace is read; shared by `verify` and `explain`. */
export function addJudgeFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--claims <mode>', 'whether each Thought must claim what its step derives')
        .choices(CLAIM_MODES)
        .default('required'),
    )
    .option(
      '--alias <name=RULE>',
      'read an option of another system as one of ours, for example RULE=MODUS_PONENS',
      collect,
      [],
    )
}

export function parseAliases(pairs: readonly string[]): Aliases {
  return new Map(
    pairs.map((pair) => {
      const [name, rule, ...rest] = pair.split('=')
      if (!name || !rule || rest.length > 0) {
        throw new ElenchusError('usage', `--alias ${pair}: expected NAME=RULE, for example RULE=MODUS_PONENS`)
      }
      return [name, rule]
    }),
  )
}
