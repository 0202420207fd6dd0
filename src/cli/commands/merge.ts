import { join } from 'node:path'
import { Command } from 'commander'
import { ElenchusError } from '../../errors.ts'
import { resolveModel } from '../../pipelines/model-reference.ts'
import { addBackendFlags, openTorch, policyOf, readBackendFlags } from '../backend.ts'
import { withBackendSession } from '../dry-run.ts'
import { addModelFlags, type ModelOptions } from './shared.ts'

interface MergeOptions extends ModelOptions {
  readonly output: string
  readonly json?: boolean
}

/** `elenchus merge`: exports base and adapter as one model folder. */
export function mergeCommand(): Command {
  const command = new Command('merge')
    .description('export an adapter and its base as one model folder')
    .requiredOption('--output <dir>', 'folder to be written (Hugging Face format)')
  addModelFlags(command)
  addBackendFlags(command)
  return command
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus merge --model outputs/dpo/run1/final --output outputs/merged',
    )
    .action(async (options: MergeOptions) => {
      await withBackendSession(options, {
        prepare: async () => {
          const reference = await resolveModel(options)
          if (reference.adapter === null) {
            throw new ElenchusError(
              'usage',
              `${reference.base} is no adapter folder: there is nothing to merge.`,
            )
          }
          return { reference, plan: null }
        },
        run: async ({ reference }, { events, print }) => {
          await using backend = openTorch(readBackendFlags({ ...options }), reference.base, {
            logDirectory: join(options.output, '..', 'logs'),
            events,
          })
          const merged = await backend.saveMerged(await policyOf(backend, reference), options.output)
          print(`merged model in ${options.output} (fingerprint ${merged.fingerprint})`, {
            output: options.output,
            fingerprint: merged.fingerprint,
          })
        },
      })
    })
}
