import type { RolloutsConfig } from '../config/rollouts.ts'
import { ElenchusError } from '../errors.ts'

/** Sampling settings of one answer per question. All arms share the prompt, so that pairs stay on-policy. */
export interface Arm {
  /** 0 is greedy. */
  readonly temperature: number
  /** In (0, 1]. */
  readonly topP: number
}

/** @throws ElenchusError `config_invalid` if a list names another number of arms. */
export function armsOf(config: Pick<RolloutsConfig, 'arms' | 'temperature' | 'top_p'>): Arm[] {
  const { arms } = config
  const temperatures = perArm('temperature', config.temperature, arms)
  const topPs = perArm('top_p', config.top_p, arms)
  return temperatures.map((temperature, arm) => ({ temperature, topP: topPs[arm]! }))
}

function perArm(name: string, value: number | readonly number[], arms: number): readonly number[] {
  if (typeof value === 'number') return Array.from({ length: arms }, () => value)
  if (value.length === arms) return value
  throw new ElenchusError('config_invalid', `"${name}" lists ${value.length} values for ${arms} arms.`)
}

/** The arms that may share a call of the backend, which samples with one temperature and top-p. */
export function groupArms(arms: readonly Arm[]): { readonly arm: Arm; readonly indices: number[] }[] {
  const groups = new Map<string, { arm: Arm; indices: number[] }>()
  for (const [index, arm] of arms.entries()) {
    const key = `${arm.temperature} ${arm.topP}`
    const group = groups.get(key)
    if (group === undefined) groups.set(key, { arm, indices: [index] })
    else group.indices.push(index)
  }
  return [...groups.values()]
}
