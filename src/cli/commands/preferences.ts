import { Command } from 'commander'
import { rolloutPairsSchema } from '../../config/rollouts.ts'
import { noRolloutPairs, prepareRolloutPairs } from '../../pipelines/rollout-pairs.ts'
import { addSchemaFlags, readSchemaFlags } from '../flags.ts'
import { renderPairs } from '../rollout-tables.ts'
import { withSession } from '../session.ts'

interface PreferencesOptions {
  readonly rollouts: string
  readonly out: string
  readonly json?: boolean
}

/** `elenchus preferences`: stage 3 of the old guide, `build_preferences_abel.py`. */
export function preferencesCommand(): Command {
  const command = new Command('preferences')
    .description('build preference pairs from scored rollouts: correctness first, then coherence')
    .requiredOption('--rollouts <file>', 'scored rollout groups (JSONL)')
    .requiredOption('--out <file>', 'JSONL file of pairs, to be written')
  return addSchemaFlags(command, rolloutPairsSchema)
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus preferences --rollouts data/abel_regime_w_rollouts.jsonl \\\n    --out data/abel_coherence_preferences.jsonl',
    )
    .action(async (options: PreferencesOptions) => {
      await withSession(options, async ({ print }) => {
        const prepared = await prepareRolloutPairs({
          rolloutsPath: options.rollouts,
          pairsPath: options.out,
          config: readSchemaFlags(rolloutPairsSchema, { ...options }),
        })
        const { report, reasons } = prepared
        print(`${renderPairs(prepared)}\n\npairs in ${options.out}`, {
          ...report,
          reasons,
          output: options.out,
        })
        if (prepared.pairs.length === 0) throw noRolloutPairs(options.rollouts, prepared)
      })
    })
}
