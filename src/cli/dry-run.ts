import { join, resolve } from 'node:path'
import { CONNECTION_FILE } from '../bridge/group.ts'
import type { Launch, Rendered } from '../bridge/launcher.ts'
import { shellQuoted } from '../bridge/launchers/shell.ts'
import type { BackendConfig } from '../config/backend.ts'
import { stageDirectoryOf } from '../runs/beside.ts'
import { redacted } from '../runs/redact.ts'
import { serveCommand, serveEnvironment } from '../backends/vllm/command.ts'
import { launcherOf } from '../pipelines/launchers.ts'
import { resolveModel } from '../pipelines/model-reference.ts'
import { refuseElsewhere, vllmSettings } from '../pipelines/open-backend.ts'
import { type StageToPlan, planStage } from '../pipelines/plan-stage.ts'
import { readBackendFlags } from './backend.ts'
import { type GeneratorOptions, kindOf } from './generator.ts'
import { renderPlan } from './plan-table.ts'
import { withSession, type OutputOptions, type Session } from './session.ts'

/** What a run with these settings would launch, credentials hidden; nothing starts, and no secret is made. */
export function renderLaunch(config: BackendConfig, logFolder: string): readonly Rendered[] {
  const logDirectory = resolve(logFolder)
  const launcher = launcherOf(config)
  const worldSize = config.num_processes ?? launcher.defaultRanks
  const connectionFile = launcher.sharesFiles ? join(logDirectory, CONNECTION_FILE) : '(private)/launch.json'
  const ranks = Array.from({ length: worldSize }, (_, rank) => ({
    rank,
    logFile: join(logDirectory, `worker-${rank}.0.log`),
  }))
  const launch: Launch = {
    ranks,
    worldSize,
    epoch: 0,
    connectionFile,
    logDirectory,
    connection: {
      endpoint: config.listen === undefined ? 'ipc://(private)' : `tcp://${config.listen}`,
      launch: '',
      tokens: new Map(),
      epoch: 0,
      parentPid: process.pid,
      heartbeatS: 1,
      workFolder: process.cwd(),
    },
  }
  const rendered = [...launcher.render(launch), ...renderJoining(config, worldSize, connectionFile)]
  // Texts stay texts.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return redacted(rendered) as readonly Rendered[]
}

/** The servers of vLLM that would be started, credentials hidden. */
export function renderServers(config: BackendConfig, model: string): readonly Rendered[] {
  refuseElsewhere(config)
  const settings = vllmSettings(config)
  const { gpus = [], readyMs = 0 } = settings
  const devices = gpus.length === 0 ? [undefined] : gpus
  const rendered = devices.map((gpu) => ({
    title: `vLLM${gpu === undefined ? '' : ` on device ${gpu}`}, on this machine, while something is sampled`,
    argv: serveCommand({ ...settings, model, port: '(free)' }),
    environment: serveEnvironment({ gpu, key: '(private)', readyMs }, process.env),
  }))
  // Texts stay texts.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return redacted(rendered) as readonly Rendered[]
}

/** What the other machines of a torchrun launch have to run. */
function renderJoining(
  config: BackendConfig,
  worldSize: number,
  connectionFile: string,
): readonly Rendered[] {
  if (config.launcher !== 'torchrun' || config.nnodes === 1) return []
  return Array.from({ length: config.nnodes - 1 }, (_, index) => ({
    title: `on node ${index + 1}, by hand or by your scheduler`,
    argv: [
      'elenchus',
      'join',
      '--connection',
      connectionFile,
      '--nnodes',
      String(config.nnodes),
      '--node-rank',
      String(index + 1),
      '--rdzv-endpoint',
      config.rdzv_endpoint ?? '',
      '--num-processes',
      String(worldSize),
    ],
    environment: {},
  }))
}

/** A launch as lines that a shell would take. */
export function describeLaunch(rendered: readonly Rendered[]): string {
  return rendered
    .map(({ title, argv, environment, script }) => {
      const assignments = Object.entries(environment).map(([name, value]) => `${name}=${shellQuoted(value)}`)
      const command = [...assignments, ...argv.map(shellQuoted)].join(' ')
      return [`# ${title}`, command, ...(script === undefined ? [] : [script.trimEnd()])].join('\n')
    })
    .join('\n')
}

/** A command that starts workers. */
export interface WorkerCommand<Prepared extends { readonly plan: StageToPlan | null }> {
  /** Reads and checks flags and data, as far as it can be done without workers; starts and writes nothing. */
  readonly prepare: (session: Session) => Promise<Prepared>
  readonly run: (prepared: Prepared, session: Session) => Promise<void>
}

/**
 * {@link withSession} for commands that start workers: with --dry-run they refuse what they would refuse without it, and only
 * say what they would start, and what it would take.
 */
export async function withBackendSession<Prepared extends { readonly plan: StageToPlan | null }>(
  options: OutputOptions & {
    readonly dryRun?: boolean
    readonly model?: string
    readonly baseModel?: string
    readonly loraPath?: string
    readonly output?: string
    readonly outPath?: string
    readonly backend?: GeneratorOptions['backend']
    readonly engine?: string
  },
  { prepare, run }: WorkerCommand<Prepared>,
): Promise<void> {
  await withSession(options, async (session) => {
    const prepared = await prepare(session)
    if (options.dryRun !== true) return run(prepared, session)
    const { output, outPath, backend } = options
    // Commands that train have no --backend, and an engine that samples has no part in them.
    const kind = backend === undefined ? 'torch' : kindOf({ ...options, backend })
    if (kind === 'openai') {
      session.print('A server generates: no workers are started.', { launch: [], plan: null })
      return
    }
    const settings = readBackendFlags({ ...options })
    if (kind === 'vllm') {
      const { base } = await resolveModel(options)
      const rendered = renderServers(settings, base)
      session.print(describeLaunch(rendered), { launch: rendered, plan: null })
      return
    }
    const directory = output ?? (outPath === undefined ? '.' : stageDirectoryOf(outPath))
    const rendered = renderLaunch(settings, join(directory, 'logs'))
    const plan = prepared.plan === null ? null : await planStage(prepared.plan, settings)
    const text = [
      describeLaunch(rendered),
      ...(plan === null ? [] : ['', renderPlan(plan).replaceAll(/^/gm, '# ').replaceAll(/^# $/gm, '#')]),
    ].join('\n')
    session.print(text, { launch: rendered, plan })
  })
}
