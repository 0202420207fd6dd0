import { delimiter } from 'node:path'
import { ElenchusError } from '../../errors.ts'
import type { Launch } from '../launcher.ts'

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
 * What is added to the environment of one rank that is started by us: its place in the group. Everything
 * inherited (HF_HUB_OFFLINE, proxies and the like) stays untouched.
 * @throws ElenchusError `config_invalid` if a device is named that CUDA_VISIBLE_DEVICES does not offer.
 */
export function workerEnvironment(
  rank: number,
  launch: Pick<Launch, 'worldSize' | 'connectionFile'>,
  placement: Placement,
  inherited: Environment,
  machineHasGpu: boolean,
): Record<string, string> {
  const { devices } = placement
  const oneEach = typeof devices !== 'string'
  return {
    RANK: String(rank),
    WORLD_SIZE: String(launch.worldSize),
    // With one visible device each, every rank's own device is its first.
    LOCAL_RANK: oneEach ? '0' : String(rank),
    ELENCHUS_CONNECTION: launch.connectionFile,
    ELENCHUS_DEATH_PIPE: '1',
    ...runtimeEnvironment(placement, inherited, machineHasGpu),
    ...(oneEach && { CUDA_VISIBLE_DEVICES: visibleDevices(devices, [rank], inherited) }),
  }
}

/** The same for a launcher that tells the ranks their places itself: they share all devices of the group. */
export function sharedEnvironment(
  launch: Pick<Launch, 'connectionFile'>,
  placement: Placement,
  inherited: Environment,
  machineHasGpu: boolean,
): Record<string, string> {
  const { devices } = placement
  return {
    ELENCHUS_CONNECTION: launch.connectionFile,
    ...runtimeEnvironment(placement, inherited, machineHasGpu),
    ...(typeof devices !== 'string' && {
      CUDA_VISIBLE_DEVICES: visibleDevices(devices, [...devices.keys()], inherited),
    }),
  }
}

function runtimeEnvironment(
  placement: Placement,
  inherited: Environment,
  machineHasGpu: boolean,
): Record<string, string> {
  return {
    PYTHONPATH: [...placement.pythonPath, inherited['PYTHONPATH']].filter(Boolean).join(delimiter),
    // Without it the last lines before a crash would be missing from the log.
    PYTHONUNBUFFERED: '1',
    ...threads(placement, inherited, machineHasGpu),
    ...(placement.devices === 'cpu' && { CUDA_VISIBLE_DEVICES: '' }),
  }
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

/** The devices with the given places in the list, by the names that CUDA_VISIBLE_DEVICES gives them. */
function visibleDevices(
  devices: readonly number[],
  places: readonly number[],
  inherited: Environment,
): string {
  return places.map((place) => visibleDevice(devices, place, inherited)).join(',')
}

function visibleDevice(devices: readonly number[], place: number, inherited: Environment): string {
  const device = devices[place]
  if (device === undefined) {
    throw new ElenchusError(
      'config_invalid',
      `There are ${devices.length} devices, but a worker of rank ${place}.`,
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
