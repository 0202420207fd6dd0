import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ElenchusError } from '../errors.ts'
import { RequestCall, type Call, type CallOptions, type OpenCall, type WorkerRef } from './call.ts'
import { writeConnectionFile, type Connection } from './connection-file.ts'
import type { Launch, Launcher } from './launcher.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { WorkerLink } from './link.ts'
import type { Hello } from './protocol/control.ts'
import type { Op, OpMap } from './protocol/ops.ts'
import { WorkerSocket } from './router.ts'
import { SocketDirectory } from './socket-directory.ts'
import { Covered, UnderWay } from './under-way.ts'
import { type Done, WorkDone } from './work-done.ts'
import { StateReporter, type WorkerStates } from './worker-states.ts'

export interface WorkerGroupOptions {
  readonly launcher: Launcher
  /** Workers; as many as the launcher has devices for if absent. */
  readonly ranks?: number
  /** Address of this machine that ranks on other machines reach; everything on it is encrypted. */
  readonly listen?: string | undefined
  /** Every start of a worker writes `worker-RANK.EPOCH.log` there. */
  readonly logDirectory: string
  readonly limits?: Partial<Limits>
  /** How often in a row each rank may be started again after it died without having done any work; 0 by default. */
  readonly restarts?: number
  /** Seconds between pings. */
  readonly heartbeatS?: number
  /** Told when workers start, work, rest or end. */
  readonly onWorkers?: ((states: WorkerStates) => void) | undefined
}

/** A worker that is ready for requests. */
export interface ReadyWorker extends WorkerRef {
  readonly hello: Hello
}

/** A rank and its current start. */
interface Slot {
  readonly rank: number
  link: WorkerLink
  restartsLeft: number
  restarting: Promise<void> | null
}

const HEARTBEAT_S = 1
/** In the log folder, where ranks on other machines find it. */
export const CONNECTION_FILE = 'connection.json'

/**
 * A group of persistent workers behind one socket. Requests go to whichever worker is free, or to the one
 * they are bound to, and wait here while no worker has room for them.
 */
export class WorkerGroup implements AsyncDisposable {
  readonly size: number
  readonly #options: WorkerGroupOptions
  readonly #limits: Limits
  readonly #heartbeatS: number
  readonly #directory: SocketDirectory
  readonly #slots: Slot[] = []
  /** Links that may still speak, by routing id. */
  readonly #links = new Map<string, WorkerLink>()
  #waiting: OpenCall[] = []
  readonly #underWay = new UnderWay()
  readonly #reporter: StateReporter | null
  /** Seconds of all workers together. */
  #servedS = 0
  /** When any worker served, and when any served or imported. */
  readonly #served = new Covered()
  readonly #occupied = new Covered()
  readonly #done = new WorkDone()
  /** Who serves a call; entries last until its credits are free. */
  readonly #serving = new Map<OpenCall, WorkerLink>()
  #socket: WorkerSocket | null = null
  #ticking: NodeJS.Timeout | null = null
  #dealScheduled = false
  #closing: Promise<void> | null = null

  private constructor(options: WorkerGroupOptions, directory: SocketDirectory) {
    this.#options = options
    this.#directory = directory
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    this.#heartbeatS = options.heartbeatS ?? HEARTBEAT_S
    this.size = options.ranks ?? options.launcher.defaultRanks
    const { onWorkers } = options
    this.#reporter = onWorkers === undefined ? null : new StateReporter(() => this.states, onWorkers)
  }

  /**
   * Starts all workers and waits until they have greeted.
   * @throws ElenchusError `environment`, `worker_start_failed` or `handshake_refused`; nothing is left behind.
   */
  static async start(given: WorkerGroupOptions): Promise<WorkerGroup> {
    // Ranks may be started anywhere: what they are told of must not depend on it.
    const options = { ...given, logDirectory: resolve(given.logDirectory) }
    await options.launcher.prepare()
    await mkdir(options.logDirectory, { recursive: true })
    await clearLeftovers(options)
    const group = new WorkerGroup(options, await SocketDirectory.create())
    try {
      await group.#start()
      return group
    } catch (error) {
      await group[Symbol.asyncDispose]()
      throw error
    }
  }

  async #start(): Promise<void> {
    // Who does not know the name of a launch belongs to no link: a stranger is not even listened to.
    const handler = (routingId: string, frames: readonly Uint8Array[]): void => {
      this.#links.get(routingId)?.receive(frames)
    }
    const { listen } = this.#options
    this.#socket =
      listen === undefined
        ? await WorkerSocket.bind(this.#directory.endpoint, handler)
        : await WorkerSocket.bindEncrypted(listen, handler)
    this.#ticking = setInterval(() => {
      for (const link of this.#links.values()) link.tick()
    }, this.#heartbeatS * 1000)
    this.#reporter?.changed()
    const links = await this.#launch(
      Array.from({ length: this.size }, (_, rank) => rank),
      0,
    )
    for (const link of links) {
      this.#slots.push({ rank: link.rank, link, restartsLeft: this.#options.restarts ?? 0, restarting: null })
    }
    await Promise.all(links.map((link) => link.ready))
  }

  /** Starts processes for the given ranks; their links are `starting`. */
  async #launch(ranks: readonly number[], epoch: number): Promise<readonly WorkerLink[]> {
    const launch = await this.#prepareLaunch(ranks, epoch)
    const links = launch.ranks.map(({ rank, logFile }) => this.#connect(rank, launch, logFile))
    const processes = await this.#options.launcher.launch(launch)
    for (const link of links) {
      const started = processes.find(({ rank }) => rank === link.rank)
      if (started === undefined) {
        throw new ElenchusError('internal', `The launcher did not start rank ${link.rank}.`)
      }
      link.attach(started)
    }
    return links
  }

  async #prepareLaunch(ranks: readonly number[], epoch: number): Promise<Launch> {
    const { launcher, logDirectory, listen } = this.#options
    const name = randomBytes(8).toString('hex')
    const curve = this.#socket?.admit()
    const connection: Connection = {
      endpoint: this.#socket?.endpoint ?? '',
      launch: name,
      tokens: new Map(ranks.map((rank) => [rank, randomBytes(32).toString('hex')])),
      epoch,
      parentPid: process.pid,
      heartbeatS: this.#heartbeatS,
      workFolder: process.cwd(),
      ...(curve !== undefined && { curve }),
      ...(listen !== undefined && { orphanS: this.#limits.silenceS }),
      ...(launcher.mixesOutput && { logFolder: logDirectory }),
    }
    const folder = launcher.sharesFiles ? logDirectory : this.#directory.path
    const connectionFile = join(folder, launcher.sharesFiles ? CONNECTION_FILE : `${name}.json`)
    await writeConnectionFile(connectionFile, connection)
    const specs = ranks.map((rank) => ({ rank, logFile: join(logDirectory, `worker-${rank}.${epoch}.log`) }))
    return { ranks: specs, worldSize: this.size, epoch, connection, connectionFile, logDirectory }
  }

  #connect(rank: number, { connection }: Launch, logFile: string): WorkerLink {
    const { epoch } = connection
    const routingId = `${rank}#${epoch}#${connection.launch}`
    const token = connection.tokens.get(rank) ?? ''
    const link = new WorkerLink({
      expected: { token, rank, epoch, worldSize: this.size },
      logFile,
      limits: this.#limits,
      heartbeatS: this.#heartbeatS,
      send: async (frames) => (await this.#socket?.send(routingId, frames)) ?? false,
      onChange: () => this.#scheduleDeal(),
      onAnswered: ({ servedS, importS, work }) => {
        const now = performance.now() / 1000
        this.#servedS += servedS
        this.#served.add(now - servedS, now)
        this.#occupied.add(now - servedS - importS, now)
        if (work !== undefined) this.#done.add(work, now - servedS, now)
      },
    })
    for (const [id, earlier] of this.#links) if (earlier.rank === rank) this.#links.delete(id)
    this.#links.set(routingId, link)
    return link
  }

  /**
   * Seconds since the start: during which any request was under way, workers only imported libraries, any worker served a
   * request that has ended; and the mean over workers of what they spent on those. And what those did.
   */
  get usage(): Record<'requestSeconds' | 'importSeconds' | 'workerSeconds' | 'meanWorkerSeconds', number> & {
    readonly done: Done
  } {
    return {
      requestSeconds: this.#underWay.seconds,
      importSeconds: this.#occupied.total - this.#served.total,
      workerSeconds: this.#served.total,
      meanWorkerSeconds: this.#servedS / this.size,
      done: this.#done.soFar,
    }
  }

  /** Greetings of the workers that are ready now, for facts about devices and versions. */
  get hellos(): readonly Hello[] {
    return this.#slots.flatMap(({ link }) => (link.hello === null ? [] : [link.hello]))
  }

  get states(): WorkerStates {
    const states = { starting: this.size - this.#slots.length, busy: 0, idle: 0, down: 0 }
    for (const { link, restarting } of this.#slots) {
      if (restarting !== null || link.state === 'starting') states.starting += 1
      else if (link.state !== 'ready') states.down += 1
      else if (link.load > 0) states.busy += 1
      else states.idle += 1
    }
    return states
  }

  /**
   * The worker of a rank, started again if it has died and the group may do so.
   * @throws ElenchusError the failure that ended it, if it may not.
   */
  async worker(rank: number): Promise<ReadyWorker> {
    const slot = this.#slots[rank]
    if (slot === undefined) throw new ElenchusError('internal', `There is no rank ${rank} of ${this.size}.`)
    for (;;) {
      const { link } = slot
      const hello = await link.ready.catch(() => null)
      if (hello !== null && link.state === 'ready') return { rank, epoch: link.epoch, hello }
      await link.down
      if (slot.restarting === null) this.#beginRestart(slot, link)
      await slot.restarting
    }
  }

  #beginRestart(slot: Slot, link: WorkerLink): void {
    const slots = this.#options.launcher.restarts === 'rank' ? [slot] : this.#slots
    const restarting = this.#restart(slot, link).finally(() => {
      for (const each of slots) each.restarting = null
      this.#scheduleDeal()
    })
    for (const each of slots) each.restarting = restarting
    this.#reporter?.changed()
  }

  /** Where the workers may meet, under a name that no other meeting has. */
  meeting(name: string): OpMap['group.join']['request']['meeting'] {
    const { launcher, listen, logDirectory } = this.#options
    const local = !launcher.sharesFiles && listen === undefined
    return {
      type: 'file',
      path: join(local ? this.#directory.path : logDirectory, `.meeting-${name}`),
      local,
    }
  }

  /** Ends one start of a rank, for a reason that is not its own: it does not count as a restart. */
  async end({ rank, epoch }: WorkerRef, reason: string): Promise<void> {
    const slot = this.#slots[rank]
    if (slot?.link.epoch !== epoch || slot.link.state === 'down') return
    slot.restartsLeft += 1
    await slot.link.end(reason)
  }

  async #restart(slot: Slot, old: WorkerLink): Promise<void> {
    if (slot.link !== old) return
    // What has worked may die as often as it likes: long runs meet more deaths than any number says.
    if (old.worked) slot.restartsLeft = this.#options.restarts ?? 0
    if (this.#closing !== null || slot.restartsLeft === 0) throw failureOf(old)
    const slots = this.#options.launcher.restarts === 'rank' ? [slot] : this.#slots
    // Where ranks fall together, the others are on their way down too.
    await Promise.all(slots.map(({ link }) => link.down))
    for (const each of slots) each.restartsLeft -= 1
    const links = await this.#launch(
      slots.map(({ rank }) => rank),
      Math.max(...slots.map(({ link }) => link.epoch)) + 1,
    )
    for (const link of links) {
      const own = this.#slots[link.rank]
      if (own !== undefined) own.link = link
    }
  }

  /** Sends a request to the worker it is bound to, or to the freest one, as soon as there is room. */
  call<Name extends Op>(op: Name, body: OpMap[Name]['request'], options: CallOptions<Name> = {}): Call<Name> {
    const call = new RequestCall(randomUUID(), op, body, options, {
      abandoned: (given) => this.#serving.get(given)?.cancel(given),
      released: (given) => this.#released(given),
    })
    this.#underWay.begin()
    void call.result.catch(() => undefined).finally(() => this.#underWay.end())
    if (this.#closing === null) {
      this.#waiting.push(call)
      this.#scheduleDeal()
    } else {
      call.fail(closedError())
    }
    return call
  }

  #released(call: OpenCall): void {
    this.#serving.get(call)?.released(call)
    if (call.done) this.#serving.delete(call)
    this.#scheduleDeal()
  }

  /** Once per turn, however much has changed in it. */
  #scheduleDeal(): void {
    if (this.#dealScheduled) return
    this.#dealScheduled = true
    queueMicrotask(() => {
      this.#dealScheduled = false
      const full = new Set<WorkerLink>()
      this.#waiting = this.#waiting.filter((call) => !call.settled && !this.#place(call, full))
      this.#reporter?.changed()
    })
  }

  /** False if the call has to wait. `full`: workers that an earlier call waits for; nobody overtakes it. */
  #place(call: OpenCall, full: Set<WorkerLink>): boolean {
    const { on } = call
    const slots = on === undefined ? this.#slots : this.#slots.filter(({ rank }) => rank === on.rank)
    const links = slots.map(({ link }) => link).filter((link) => on === undefined || link.epoch === on.epoch)
    const ready = links.filter(({ state }) => state === 'ready')
    const free = ready.filter((link) => link.admits(call) && !(call.held > 0 && full.has(link)))
    const [freest] = free.sort((a, b) => a.load - b.load)
    if (freest !== undefined) {
      this.#serving.set(call, freest)
      freest.submit(call)
      return true
    }
    if (ready.length > 0) {
      const most = Math.max(...ready.map(({ credits }) => credits))
      if (call.held > most) call.fail(tooLarge(call, most))
      for (const link of ready) full.add(link)
      return call.settled
    }
    // Nobody serves it now; somebody may later.
    if (links.some(({ failure }) => failure === null) || slots.some(({ restarting }) => restarting !== null))
      return false
    const restartable =
      on === undefined ? slots.find(({ restartsLeft, link }) => restartsLeft > 0 || link.worked) : undefined
    if (restartable === undefined) {
      call.fail(links[0] === undefined ? goneError(on) : failureOf(links[0]))
      return true
    }
    // Its failure is that of the link, which the next round finds.
    this.worker(restartable.rank).catch(() => this.#scheduleDeal())
    return false
  }

  /** Ends all workers and removes every trace but the logs. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#reporter?.close()
    for (const call of this.#waiting) call.fail(closedError())
    await Promise.allSettled(this.#slots.map(async ({ restarting }) => restarting))
    await Promise.all(Array.from(this.#links.values(), (link) => link.close()))
    if (this.#ticking !== null) clearInterval(this.#ticking)
    await this.#socket?.[Symbol.asyncDispose]()
    this.#directory[Symbol.dispose]()
    if (this.#options.launcher.sharesFiles) {
      await rm(join(this.#options.logDirectory, CONNECTION_FILE), { force: true })
    }
  }
}

/** Ends what an orchestrator that was killed left with a scheduler: it would hold the devices. */
async function clearLeftovers({ launcher, logDirectory }: WorkerGroupOptions): Promise<void> {
  const leftover = await launcher.reattach(logDirectory)
  await leftover?.cancel(0)
}

function closedError(): ElenchusError {
  return new ElenchusError('cancelled', 'The worker group was closed.')
}

function failureOf(link: WorkerLink): ElenchusError {
  return link.failure ?? new ElenchusError('internal', `Worker ${link.rank} is down for no known reason.`)
}

function goneError(on: WorkerRef | undefined): ElenchusError {
  return new ElenchusError('worker_died', `Worker ${on?.rank}, start ${on?.epoch}, is not there any more.`)
}

function tooLarge(call: OpenCall, most: number): ElenchusError {
  return new ElenchusError(
    'bad_request',
    `${call.op} asks for ${call.held} sequences at once; a worker takes at most ${most}.`,
  )
}
