import type { Command } from 'commander'
import { nonNegativeInteger } from '../numbers.ts'

export interface RunOptions {
  readonly output: string
  readonly seed: number
  readonly resume?: boolean
  readonly json?: boolean
}

/** Flags of every stage that writes a directory. */
export function addRunFlags(command: Command): Command {
  return command
    .requiredOption('--output <dir>', 'directory of this stage')
    .option('--seed <n>', 'seed of everything random', nonNegativeInteger, 42)
    .option('--resume', 'continue where an interrupted attempt stopped')
    .option('--json', 'print the summary as JSON, and events as JSON lines on stderr')
}

export interface ModelOptions {
  readonly model?: string
  readonly baseModel?: string
  readonly loraPath?: string
}

/** A model is a folder or hub name, or an adapter folder, which names its base. */
export function addModelFlags(command: Command): Command {
  return command
    .option('--model <path>', 'model folder or hub name, or an adapter folder (PEFT)')
    .option(
      '--base-model <path>',
      'base model; where --model is an adapter, overrides the base that it names',
    )
    .option('--lora-path <dir>', 'adapter folder on --base-model')
}
