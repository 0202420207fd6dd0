import type { Memory } from '../plan/memory.ts'
import type { Plan } from '../pipelines/plan-config.ts'
import { describeDuration } from './progress.ts'
import { renderTable } from './table.ts'

/** What `elenchus plan` prints. */
export function renderPlan(plan: Plan): string {
  const { devices, device, lengths, stages, assumptions } = plan
  const seconds = stages.reduce((sum, stage) => sum + (stage.seconds ?? 0), 0)
  const most = Math.max(...stages.map(({ memory }) => memory?.total ?? 0))
  const fits =
    device.memoryBytes === null || most === 0
      ? []
      : [
          most <= device.memoryBytes * 0.95
            ? `fits: ${size(most)} of ${size(device.memoryBytes)} per ${device.name}`
            : `does NOT fit: ${size(most)} on ${device.name} with ${size(device.memoryBytes)}; lower micro_batch_tokens, or set gradient_checkpointing`,
        ]
  return [
    `${plan.pipeline}: ${plan.model} on ${devices} x ${device.name}`,
    '',
    renderTable(
      ['stage', 'work', 'peak memory', 'of which', 'time'],
      stages.map(({ stage, work, memory, seconds: time }) => [
        stage,
        work,
        memory === null ? '-' : size(memory.total),
        memory === null ? '' : parts(memory),
        time === null ? '-' : time === 0 ? 'none' : describeDuration(time * 1000),
      ]),
    ),
    '',
    `total ${describeDuration(seconds * 1000)}, start-up and loading not counted; texts of ${lengths.prompt} + ${lengths.completion} tokens`,
    ...fits,
    ...assumptions.map((assumption) => `assumed: ${assumption}`),
    'How this is computed, and how far off it was where it was measured: docs/plan.md',
  ].join('\n')
}

/** The terms that matter: at least a tenth of the whole. */
function parts({ total, ...terms }: Memory): string {
  return Object.entries(terms)
    .filter(([, bytes]) => bytes >= total / 10)
    .sort(([, a], [, b]) => b - a)
    .map(([name, bytes]) => `${name} ${size(bytes)}`)
    .join(', ')
}

function size(bytes: number): string {
  const gib = bytes / 2 ** 30
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`
}
