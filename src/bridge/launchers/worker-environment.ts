import { delimiter } from 'node:path'
import { ElenchusError } from '../../errors.ts'
import type { RankSpec } from '../launcher.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What the processes of a group have in common. */
export interface Placement {
  /** Devices of the ranks, relative to CUDA_VISIBLE_DEVICES; `cpu` hides every device; `default` leaves all visible. */
  readonly devices: readonly number[] | 'cpu' | 'default'
  /** CPU threads per worker; absent: OMP_NUM_THREADS if set, 1 where no device is used, else torch's choice. */
  readonly threads?: number
  /** Folders with the worker's Python package, before those of PYTHONPATH. */
  readonly pythonPath: readonly string[]
}

/**
 * The environment of one rank: `inherited` (HF_HUB_OFFLINE, proxies and the like stay untouched) with its
 * place in the group.
 * @throws ElenchusError `config_invalid` if a device is named that CUDA_VISIBLE_DEVICES does not offer.
 */
export function workerEnvironment(
  spec: RankSpec,
  placement: Placement,
  inherited: Environment,
  machineHasGpu: boolean,
): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const [name, value] of Object.entries(inherited)) if (value !== undefined) environment[name] = value
  const { devices } = placement
  const oneEach = typeof devices !== 'string'
  return Object.assign(environment, {
    RANK: String(spec.rank),
    WORLD_SIZE: String(spec.worldSize),
    // With one visible device each, every rank's own device is its first.
    LOCAL_RANK: oneEach ? '0' : String(spec.rank),
    ELENCHUS_CONNECTION: spec.connectionFile,
    ELENCHUS_DEATH_PIPE: '1',
    PYTHONPATH: [...placement.pythonPath, inherited['PYTHONPATH']].filter(Boolean).join(delimiter),
    // Without it the last lines before a crash would be missing from the log.
    PYTHONUNBUFFERED: '1',
    ...threads(placement, inherited, machineHasGpu),
    ...(devices === 'default'
      ? {}
      : { CUDA_VISIBLE_DEVICES: oneEach ? visibleDevice(devices, spec.rank, inherited) : '' }),
  })
}

function threads(
  placement: Placement,
  inherited: Environment,
  machineHasGpu: boolean,
): { readonly OMP_NUM_THREADS?: string } {
  if (placement.threads !== undefined) return { OMP_NUM_THREADS: String(placement.threads) }
  // Beside any other busy process, two threads are several times slower than one.
  const cpuOnly = placement.devices === 'cpu' || !machineHasGpu
  return cpuOnly && inherited['OMP_NUM_THREADS'] === undefined ? { OMP_NUM_THREADS: '1' } : {}
}

function visibleDevice(devices: readonly number[], rank: number, inherited: Environment): string {
  const device = devices[rank]
  if (device === undefined) {
    throw new ElenchusError(
      'config_invalid',
      `There are ${devices.length} devices, but a worker of rank ${rank}.`,
    )
  }
  const visible = inherited['CUDA_VISIBLE_DEVICES']
  if (visible === undefined) return String(device)
  const offered = visible.split(',').map((name) => name.trim())
  const name = offered[device]
  if (name === undefined || name === '') {
    throw new ElenchusError(
      'config_invalid',
      `Device ${device} does not exist: CUDA_VISIBLE_DEVICES is "${visible}", and devices count from 0 within it.`,
    )
  }
  return name
}
