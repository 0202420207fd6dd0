import { Command, Option } from 'commander'
import { rescoreFile } from '../../pipelines/rescore-file.ts'
import { PRESETS, type Preset } from '../../regime-w/group.ts'
import { renderScores } from '../rollout-tables.ts'
import { withSession } from '../session.ts'

interface RegimeWOptions {
  readonly rollouts: string
  readonly preset: Preset
  readonly out?: string
  readonly json?: boolean
}

/** `elenchus regime-w`: scores any rollout file anew; needs no model and no Python. */
export function regimeWCommand(): Command {
  return new Command('regime-w')
    .description('score a rollout file with a Regime W preset, every component stored')
    .requiredOption('--rollouts <file>', 'rollout groups (JSONL), scored or not')
    .addOption(new Option('--preset <name>', 'reward preset').choices(PRESETS).makeOptionMandatory())
    .option('--out <file>', 'write the records with their new scores here')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus regime-w --rollouts data/abel_regime_w_rollouts.jsonl --preset trajectory \\\n    --out data/rescored.jsonl',
    )
    .action(async (options: RegimeWOptions) => {
      await withSession(options, async ({ print }) => {
        const { rollouts, preset, out } = options
        const summary = await rescoreFile(rollouts, { preset, ...(out !== undefined && { out }) })
        const written = out === undefined ? '' : `\n\nrecords in ${out}`
        print(`preset ${preset}\n\n${renderScores(summary)}${written}`, summary)
      })
    })
}
