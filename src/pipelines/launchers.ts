import { DEFAULT_LIMITS, type Limits } from '../bridge/limits.ts'
import { accelerateLauncher, readAccelerateConfig } from '../bridge/launchers/accelerate.ts'
import { commandLauncher } from '../bridge/launchers/command.ts'
import type { Launcher } from '../bridge/launcher.ts'
import { rayLauncher } from '../bridge/launchers/ray.ts'
import { slurmLauncher } from '../bridge/launchers/slurm.ts'
import { spawnLauncher } from '../bridge/launchers/spawn.ts'
import { torchrunLauncher } from '../bridge/launchers/torchrun.ts'
import type { BackendConfig } from '../config/backend.ts'
import { ElenchusError } from '../errors.ts'

/** The launcher that a configuration names. @throws ElenchusError `config_invalid` if its settings do not fit. */
export function launcherOf(config: BackendConfig): Launcher {
  const { launcher, threads, listen, remote_python: python } = config
  const here = { threads, ...(config.gpus.length > 0 && { devices: config.gpus }) }
  if (listen === undefined && needsAddress(config)) {
    throw new ElenchusError(
      'config_invalid',
      `--launcher ${launcher} starts workers on other machines: give --listen ADDRESS, an IP address of this one that they reach.`,
    )
  }
  switch (launcher) {
    case 'spawn':
      return spawnLauncher(here)
    case 'accelerate':
      return accelerateLauncher({ ...here, configFile: config.accelerate_config })
    case 'torchrun':
      return torchrunLauncher({
        ...here,
        nodes: config.nnodes,
        nodeRank: config.node_rank,
        rdzvEndpoint: config.rdzv_endpoint,
      })
    case 'command':
      return commandLauncher({
        ...here,
        python,
        template: config.launch_command ?? [],
        hosts: config.hosts,
        masterPort: config.master_port,
      })
    case 'slurm':
      return slurmLauncher({
        python,
        threads,
        nodes: config.nnodes,
        gpusPerNode: config.slurm.gpus_per_node,
        partition: config.slurm.partition,
        account: config.slurm.account,
        time: config.slurm.time,
        options: config.slurm.options,
        masterPort: config.master_port,
      })
    case 'ray':
      return rayLauncher({
        python,
        threads,
        address: config.ray.address,
        gpusPerRank: config.ray.gpus_per_rank,
        cpusPerRank: config.ray.cpus_per_rank,
        ranks: config.num_processes ?? 1,
      })
  }
}

/** Whether workers start on machines that the private socket of this one does not reach. */
function needsAddress(config: BackendConfig): boolean {
  switch (config.launcher) {
    case 'slurm':
    case 'ray':
      return true
    case 'torchrun':
      return config.nnodes > 1 && config.node_rank === 0
    case 'command':
      return config.hosts.length > 0
    case 'spawn':
    case 'accelerate':
      return false
  }
}

/** `auto` becomes what the user's accelerate configuration says, where there is one. */
export function dtypeOf(config: BackendConfig): BackendConfig['dtype'] {
  if (config.dtype !== 'auto' || config.launcher !== 'accelerate' || config.accelerate_config === undefined) {
    return config.dtype
  }
  return dtypeOfPrecision(String(readAccelerateConfig(config.accelerate_config).mixed_precision ?? 'auto'))
}

/** accelerate's names for precisions as ours. @throws ElenchusError `usage` for one that we do not have. */
export function dtypeOfPrecision(precision: string): BackendConfig['dtype'] {
  switch (precision) {
    case 'bf16':
      return 'bfloat16'
    case 'no':
    case 'false':
      return 'float32'
    case 'auto':
      return 'auto'
    default:
      throw new ElenchusError('usage', `Mixed precision "${precision}" is not supported: bf16 or no.`)
  }
}

/** How long a worker may stand still, by phase: what is set, else the defaults. */
export function limitsOf({ limits }: Pick<BackendConfig, 'limits'>): Pick<Limits, 'phaseS'> {
  const given = Object.entries(limits).filter((entry): entry is [string, number] => entry[1] !== undefined)
  return { phaseS: { ...DEFAULT_LIMITS.phaseS, ...Object.fromEntries(given) } }
}
