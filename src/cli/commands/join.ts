import { Command } from 'commander'
import { joinRun } from '../../bridge/join.ts'
import { addSchemaFlags, readSchemaFlags } from '../flags.ts'
import { backendSchema } from '../../config/backend.ts'
import { parseGpus } from '../backend.ts'
import { withSession } from '../session.ts'

interface JoinOptions {
  readonly connection: string
  readonly gpus?: string
  readonly json?: boolean
}

/** `elenchus join`: the other machines of a run on several nodes. */
export function joinCommand(): Command {
  const command = new Command('join')
    .description('serve a run that another machine started with --launcher torchrun --nnodes N')
    .requiredOption(
      '--connection <file>',
      'logs/connection.json of that run; it appears when the run starts its workers',
    )
    .option('--gpus <list>', 'devices relative to CUDA_VISIBLE_DEVICES, one worker each, for example 0,1,2,3')
  return addSchemaFlags(
    command,
    backendSchema.pick({
      nnodes: true,
      node_rank: true,
      rdzv_endpoint: true,
      num_processes: true,
      threads: true,
    }),
  )
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus join --connection /shared/outputs/dpo/run1/logs/connection.json --nnodes 2 --node-rank 1 \\\n    --rdzv-endpoint node0:29500 --num-processes 16 --gpus 0,1,2,3,4,5,6,7',
    )
    .action(async (options: JoinOptions) => {
      await withSession(options, async ({ signal, print, note }) => {
        const config = readSchemaFlags(backendSchema, { ...options, gpus: undefined })
        const devices = parseGpus(options.gpus ?? '')
        const starts = await joinRun({
          connectionFile: options.connection,
          nodes: config.nnodes,
          nodeRank: config.node_rank,
          rdzvEndpoint: config.rdzv_endpoint,
          worldSize: config.num_processes ?? config.nnodes * Math.max(1, devices.length),
          threads: config.threads,
          ...(devices.length > 0 && { devices }),
          signal,
          note,
        })
        print(`the run is over; workers were started here ${starts} times`, { starts })
      })
    })
}
