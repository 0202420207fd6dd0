/**
 * The three ways to a model: our own workers, servers that speak OpenAI's protocol, and your vLLM.
 */
import { join } from 'node:path'
import {
  createOpenAIBackend,
  createScriptedBackend,
  createTorchBackend,
  createVllmBackend,
  type ModelBackend,
  type OpenAIBackend,
  type OpenAIBackendOptions,
  type ServerKind,
  spawnLauncher,
  type TorchBackend,
  type TorchBackendOptions,
  type VllmBackendOptions,
} from 'elenchus'

/** Our workers, one per device: they sample, score and train. */
export function ownWorkers(
  model: string,
  logDirectory: string,
  devices: 'cpu' | readonly number[],
): TorchBackend {
  const options: TorchBackendOptions = {
    model,
    dtype: 'auto',
    engine: 'auto',
    deterministic: false,
    trustRemoteCode: false,
    launcher: spawnLauncher({ devices }),
    logDirectory,
  }
  return createTorchBackend(options)
}

/** Any OpenAI-compatible server: it samples. */
export function server(baseUrl: string, model: string, kind?: ServerKind): Promise<OpenAIBackend> {
  const options: OpenAIBackendOptions = { baseUrl, model, server: kind, retries: 2 }
  return createOpenAIBackend(options)
}

/** One `vllm serve` per device, from the vLLM that `command` names; they end with the backend. */
export function ownVllm(
  model: string,
  folder: string,
  command: [string, ...string[]],
): Promise<ModelBackend> {
  const options: VllmBackendOptions = { model, gpus: [0], command, logDirectory: join(folder, 'logs') }
  return createVllmBackend(options)
}

/** A function in the place of a model: for tests of what you build on stages. */
export function scripted(): ModelBackend {
  return createScriptedBackend(({ prompt }) => `You said: ${prompt}`)
}
