import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import PQueue from 'p-queue'
import { ElenchusError } from '../../errors.ts'
import { fingerprintFile } from '../../runs/fingerprint.ts'
import type { PolicyRef } from '../backend.ts'
import type { HttpClient } from './http.ts'
import type { ServerKind } from './options.ts'

type AdapterPolicy = Extract<PolicyRef, { kind: 'adapter' }>

/** Policies kept on the server besides those in use: the present one, its reference, and room to compare. */
const KEPT_ADAPTERS = 4

interface LoadedAdapter {
  readonly name: string
  users: number
}

/** The policy in an adapter folder, with the fingerprint of its weights. */
export async function adapterPolicy(path: string): Promise<AdapterPolicy> {
  const weights = join(path, 'adapter_model.safetensors')
  if (!existsSync(weights)) {
    throw new ElenchusError('file_missing', `There is no adapter in ${path} (no adapter_model.safetensors).`)
  }
  return { kind: 'adapter', path, fingerprint: await fingerprintFile(weights) }
}

/**
 * The adapters of one vLLM server, loaded when they are needed under a name that says which weights they are:
 * a name never stands for other weights than before.
 */
export class ServerAdapters {
  readonly #http: HttpClient
  readonly #kind: ServerKind
  readonly #queue = new PQueue({ concurrency: 1 })
  /** By fingerprint, least recently used first. */
  readonly #loaded = new Map<string, LoadedAdapter>()

  constructor(http: HttpClient, kind: ServerKind) {
    this.#http = http
    this.#kind = kind
  }

  /** Runs `use` with the name of the loaded adapter; once more if the server has forgotten it meanwhile. */
  async with<Result>(
    policy: AdapterPolicy,
    signal: AbortSignal | undefined,
    use: (name: string) => Promise<Result>,
  ): Promise<Result> {
    const attempt = async (): Promise<Result> => {
      const adapter = await this.#queue.add(() => this.#ensure(policy, signal))
      try {
        return await use(adapter.name)
      } finally {
        adapter.users -= 1
      }
    }
    try {
      return await attempt()
    } catch (error) {
      if (!ElenchusError.is(error) || error.details['status'] !== 404) throw error
      this.#loaded.delete(policy.fingerprint)
      return attempt()
    }
  }

  async #ensure(policy: AdapterPolicy, signal: AbortSignal | undefined): Promise<LoadedAdapter> {
    const { fingerprint, path } = policy
    let adapter = this.#loaded.get(fingerprint)
    this.#loaded.delete(fingerprint)
    if (adapter === undefined) {
      const found = await adapterPolicy(path)
      if (found.fingerprint !== fingerprint) {
        throw new ElenchusError('stale_policy', `The adapter in ${path} is not the one that was asked for.`, {
          details: { wanted: fingerprint, found: found.fingerprint },
        })
      }
      await this.#makeRoom(signal)
      adapter = { name: `elenchus-${fingerprint.slice(0, 16)}`, users: 0 }
      await this.#load(adapter.name, resolve(path), signal)
    }
    this.#loaded.set(fingerprint, adapter)
    adapter.users += 1
    return adapter
  }

  async #load(name: string, path: string, signal: AbortSignal | undefined): Promise<void> {
    if (this.#kind !== 'vllm') {
      throw new ElenchusError(
        'capability_missing',
        `The server at ${this.#http.baseUrl} (${this.#kind}) cannot load adapters while it runs.`,
        { hint: 'Serve a merged model (elenchus merge), or use vLLM.' },
      )
    }
    try {
      await this.#post('/load_lora_adapter', { lora_name: name, lora_path: path }, signal)
    } catch (error) {
      if (!ElenchusError.is(error) || error.code !== 'http_refused') throw error
      // An earlier run of ours had loaded it; under this name there are never other weights.
      if (/already (?:been )?loaded/i.test(error.message)) return
      const status = error.details['status']
      if (status !== 404 && status !== 405) throw error
      throw new ElenchusError(
        'capability_missing',
        `The vLLM server at ${this.#http.baseUrl} does not load adapters while it runs.`,
        {
          hint: 'Start it with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True.',
          cause: error,
        },
      )
    }
  }

  async #makeRoom(signal: AbortSignal | undefined): Promise<void> {
    for (const [fingerprint, { name, users }] of this.#loaded) {
      if (this.#loaded.size < KEPT_ADAPTERS) return
      if (users > 0) continue
      this.#loaded.delete(fingerprint)
      await this.#post('/unload_lora_adapter', { lora_name: name }, signal).catch((error: unknown) => {
        // What is gone already needs no unloading.
        if (!ElenchusError.is(error) || error.code !== 'http_refused') throw error
      })
    }
  }

  /** These endpoints answer with a sentence, not with JSON. */
  #post(path: string, body: unknown, signal: AbortSignal | undefined): Promise<void> {
    return this.#http.send(path, { body, signal }, async (reply) => {
      for await (const _ of reply);
    })
  }
}
