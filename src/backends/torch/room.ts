import type { Hello } from '../../bridge/protocol/control.ts'
import { RUNTIME } from '../../plan/memory.ts'
import type { Room } from './lanes.ts'

/**
 * What a worker has room for. On a CPU a decode step takes time for each of its sequences; on an accelerator it mostly reads
 * the weights, once for all of them.
 */
export function roomOf({ credits, device }: Pick<Hello, 'credits' | 'device'>): Room {
  return { takes: credits, sideBySide: device.startsWith('cpu') ? 1 : RUNTIME.gpuSlots }
}
