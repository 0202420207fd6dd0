import type { Command } from 'commander'
import { join } from 'node:path'
import { fanOut, type EventSink } from '../runs/events.ts'
import { MetricsFollower } from '../sinks/follow.ts'
import type { MetricsSink } from '../sinks/sink.ts'
import { tensorboardSink } from '../sinks/tensorboard.ts'
import { wandbSink } from '../sinks/wandb.ts'

export interface SinkFlags {
  readonly tensorboard?: boolean
  readonly wandb?: boolean
  readonly wandbProject?: string
}

/** Where the numbers of `metrics.jsonl` go besides. */
export function addSinkFlags(command: Command): Command {
  return command
    .option('--tensorboard', 'also write event files for TensorBoard, into tensorboard/ of the output')
    .option('--wandb', 'also log to Weights & Biases (WANDB_MODE=offline works)')
    .option('--wandb-project <name>', 'its project', 'elenchus')
}

/** The events of a run, which the sinks that the flags name follow; disposal brings them up to date. */
export async function openSinks(
  flags: SinkFlags,
  run: { readonly dir: string; readonly config: unknown; readonly events: EventSink },
): Promise<AsyncDisposable & { readonly events: EventSink }> {
  const warn = (message: string): void => run.events({ type: 'warning', stage: 'metrics', message })
  const sinks: MetricsSink[] = []
  if (flags.tensorboard === true) sinks.push(tensorboardSink(join(run.dir, 'tensorboard')))
  if (flags.wandb === true) {
    const { dir, config } = run
    sinks.push(await wandbSink({ dir, config, project: flags.wandbProject ?? 'elenchus', onWarning: warn }))
  }
  const follower = new MetricsFollower(sinks, warn)
  return {
    events: sinks.length === 0 ? run.events : fanOut(run.events, follower.events),
    [Symbol.asyncDispose]: () => follower.close(),
  }
}
