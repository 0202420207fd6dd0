import { randomUUID } from 'node:crypto'
import PQueue from 'p-queue'
import type { Call, CallOptions, WorkerRef } from '../../bridge/call.ts'
import type { WorkerGroup } from '../../bridge/group.ts'
import type { Op, OpMap } from '../../bridge/protocol/ops.ts'
import { ElenchusError } from '../../errors.ts'
import type { PolicyRef } from '../backend.ts'
import type { Lane, Room } from './lanes.ts'
import { persevere } from './persevere.ts'
import { roomOf } from './room.ts'

type AdapterPolicy = Extract<PolicyRef, { kind: 'adapter' }>

/** What all workers of a backend share: the group, started when it is first needed, and the wanted base. */
export interface SharedState {
  group(): Promise<WorkerGroup>
  base: OpMap['model.load']['request']
  /** Facts of the base that was loaded last. */
  facts?: BaseFacts
}

export type BaseFacts = OpMap['model.load']['result']

interface LoadedAdapter {
  readonly name: string
  /** Requests that use it now; it is not dropped under them. */
  users: number
}

/** One start of one worker: requests through it never reach a later start, which has nothing loaded. */
export class WorkerHandle {
  readonly #group: WorkerGroup
  readonly #on: WorkerRef
  /** Requests that have not ended. */
  #underWay = 0

  constructor(group: WorkerGroup, on: WorkerRef) {
    this.#group = group
    this.#on = on
  }

  get underWay(): number {
    return this.#underWay
  }

  get epoch(): number {
    return this.#on.epoch
  }

  /** Groups that follow each other count their starts anew. */
  isOf(group: WorkerGroup, epoch: number): boolean {
    return this.#group === group && this.epoch === epoch
  }

  call<Name extends Op>(
    op: Name,
    body: OpMap[Name]['request'],
    options: Omit<CallOptions<Name>, 'on'> = {},
  ): Call<Name> {
    const call = this.#group.call(op, body, { ...options, on: this.#on })
    const ended = (): void => {
      this.#underWay -= 1
    }
    this.#underWay += 1
    call.result.then(ended, ended)
    return call
  }
}

/** A worker that can be given a policy: all that generation needs to know of it. */
export interface PolicyLane extends Lane {
  withPolicy<Result>(
    policy: PolicyRef,
    signal: AbortSignal | undefined,
    use: (handle: WorkerHandle, name: string | null) => Promise<Result>,
  ): Promise<Result>
}

/** Policies kept loaded besides those in use: the present one, its reference, and room to compare. */
const KEPT_ADAPTERS = 4

/**
 * One worker of the group and what it has loaded. After a restart, which shows as a new epoch, it has
 * nothing, and whatever is needed is loaded again before it is used.
 */
export class WorkerModels implements PolicyLane {
  readonly rank: number
  readonly #shared: SharedState
  /** Loading is one after the other, so that nobody loads what another is just loading. */
  readonly #loading = new PQueue({ concurrency: 1 })
  #handle: WorkerHandle | null = null
  #base: { readonly request: OpMap['model.load']['request']; readonly facts: BaseFacts } | null = null
  /** By fingerprint and folder, least recently used first. */
  readonly #adapters = new Map<string, LoadedAdapter>()

  constructor(shared: SharedState, rank: number) {
    this.#shared = shared
    this.rank = rank
  }

  /** Requests that it has not ended. */
  get underWay(): number {
    return this.#handle?.underWay ?? 0
  }

  async ready(): Promise<Room> {
    return roomOf((await (await this.#shared.group()).worker(this.rank)).hello)
  }

  /** The same, but only for the given start. @throws ElenchusError `worker_died` if another runs now. */
  async readyAs(handle: WorkerHandle): Promise<Room> {
    const group = await this.#shared.group()
    const { epoch, hello } = await group.worker(this.rank)
    if (handle.isOf(group, epoch)) return roomOf(hello)
    throw new ElenchusError('worker_died', `Worker ${this.rank} died, and with it what it was training.`)
  }

  /** The worker as it runs now, whatever it has loaded. */
  async handle(): Promise<WorkerHandle> {
    const group = await this.#shared.group()
    const { rank, epoch } = await group.worker(this.rank)
    if (this.#handle?.isOf(group, epoch) !== true) {
      this.#handle = new WorkerHandle(group, { rank, epoch })
      this.#base = null
      this.#adapters.clear()
    }
    return this.#handle
  }

  /** Makes sure that the worker runs and has the wanted base, also if it dies over loading it. */
  base(signal?: AbortSignal): Promise<{ readonly handle: WorkerHandle; readonly facts: BaseFacts }> {
    return this.#loading.add(() => persevere(() => this.#ensureBase(signal)))
  }

  /** Runs `use` with the policy loaded under the given name (`null`: the base). */
  async withPolicy<Result>(
    policy: PolicyRef,
    signal: AbortSignal | undefined,
    use: (handle: WorkerHandle, name: string | null) => Promise<Result>,
  ): Promise<Result> {
    const { handle, adapter } = await this.#loading.add(async () => {
      const base = await this.#ensureBase(signal)
      if (policy.kind === 'base') {
        checkFingerprint('The base', base.facts.fingerprint, policy)
        return { handle: base.handle, adapter: null }
      }
      const loaded = await this.#ensureAdapter(base.handle, policy, signal)
      loaded.users += 1
      return { handle: base.handle, adapter: loaded }
    })
    try {
      return await use(handle, adapter?.name ?? null)
    } finally {
      if (adapter !== null) adapter.users -= 1
    }
  }

  /** The fingerprint of an adapter that only the worker can find, for example on the hub. */
  adapterFingerprint(path: string): Promise<string> {
    return this.#loading.add(() =>
      persevere(async () => {
        const { handle } = await this.#ensureBase(undefined)
        const name = `policy-${randomUUID()}`
        const { body } = await handle.call('adapter.load', { name, path, trainable: false }).result
        await this.#drop(handle, name)
        return body.fingerprint
      }),
    )
  }

  /** The worker's base may differ from what was loaded: it is loaded again, which is free if it does not. */
  forgetBase(): void {
    this.#base = null
  }

  async #ensureBase(signal: AbortSignal | undefined): Promise<{ handle: WorkerHandle; facts: BaseFacts }> {
    const handle = await this.handle()
    const request = this.#shared.base
    if (this.#base?.request === request) return { handle, facts: this.#base.facts }
    const { body: facts } = await handle.call('model.load', request, { signal }).result
    // Whether the worker kept them depends on whether it really had to load; start clean either way.
    const stale = [...this.#adapters.values()]
    this.#adapters.clear()
    for (const { name } of stale) await this.#drop(handle, name)
    this.#base = { request, facts }
    this.#shared.facts = facts
    return { handle, facts }
  }

  async #ensureAdapter(
    handle: WorkerHandle,
    policy: AdapterPolicy,
    signal: AbortSignal | undefined,
  ): Promise<LoadedAdapter> {
    const key = `${policy.fingerprint} ${policy.path}`
    const known = this.#adapters.get(key)
    if (known !== undefined) {
      this.#adapters.delete(key)
      this.#adapters.set(key, known)
      return known
    }
    await this.#makeRoom(handle)
    const name = `policy-${randomUUID()}`
    const { body } = await handle.call(
      'adapter.load',
      { name, path: policy.path, trainable: false },
      { signal },
    ).result
    if (body.fingerprint !== policy.fingerprint) {
      await this.#drop(handle, name)
      checkFingerprint(`The adapter ${policy.path}`, body.fingerprint, policy)
    }
    const loaded = { name, users: 0 }
    this.#adapters.set(key, loaded)
    return loaded
  }

  async #makeRoom(handle: WorkerHandle): Promise<void> {
    for (const [key, { name, users }] of this.#adapters) {
      if (this.#adapters.size < KEPT_ADAPTERS) return
      if (users > 0) continue
      this.#adapters.delete(key)
      await this.#drop(handle, name)
    }
  }

  async #drop(handle: WorkerHandle, name: string): Promise<void> {
    try {
      await handle.call('adapter.drop', { name }).result
    } catch (error) {
      if (!ElenchusError.is(error) || error.code !== 'adapter_missing') throw error
    }
  }
}

/** @throws ElenchusError `stale_policy` if the weights are not those that the policy names. */
export function checkFingerprint(what: string, found: string, policy: PolicyRef): void {
  if (found === policy.fingerprint) return
  throw new ElenchusError(
    'stale_policy',
    `${what} has the fingerprint ${found}, but the policy asked for has ${policy.fingerprint}: the weights have changed.`,
    { hint: 'Use the weights that the policy was recorded with.', details: { found, policy } },
  )
}
