import { createOpenAIBackend, type OpenAIBackend } from '../openai/openai.ts'
import type { OpenAIBackendOptions } from '../openai/options.ts'
import { type StartOptions, VllmServer } from './server.ts'

export interface VllmBackendOptions
  extends
    Omit<StartOptions, 'gpu' | 'signal'>,
    Pick<OpenAIBackendOptions, 'concurrency' | 'retries' | 'extraBody' | 'fingerprint' | 'onWarning'> {
  /** Devices relative to CUDA_VISIBLE_DEVICES, one server each; empty: one server on the default device. */
  readonly gpus?: readonly number[] | undefined
}

/** Sequences that one server is given at once: it schedules them itself. */
const CONCURRENCY = 256

/**
 * Starts one `vllm serve` per device from the user's own vLLM and generates through them, by adapters from their
 * folders too. The servers end with the backend, and with this process however it ends.
 */
export async function createVllmBackend(
  options: VllmBackendOptions,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<OpenAIBackend> {
  const { gpus = [], concurrency = CONCURRENCY, retries, extraBody, fingerprint, onWarning } = options
  const devices = gpus.length === 0 ? [undefined] : gpus
  const started = await Promise.allSettled(
    devices.map((gpu) => VllmServer.start({ ...options, gpu, signal })),
  )
  const servers = started.flatMap((each) => (each.status === 'fulfilled' ? each.value : []))
  const stop = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
  }
  try {
    for (const each of started) if (each.status === 'rejected') throw each.reason
    const backend = await createOpenAIBackend(
      {
        baseUrl: servers.map(({ url }) => url),
        model: options.model,
        server: 'vllm',
        // A server of our own asks for no key, and is given none of somebody else's.
        apiKeyVariable: 'ELENCHUS_VLLM_API_KEY',
        logprobsOf: 'sampling',
        concurrency,
        retries,
        extraBody,
        fingerprint,
        onWarning,
      },
      { signal },
    )
    const close = backend[Symbol.asyncDispose].bind(backend)
    return Object.assign(backend, {
      name: 'vllm',
      [Symbol.asyncDispose]: async () => {
        await close()
        await stop()
      },
    })
  } catch (error) {
    await stop()
    throw error
  }
}
