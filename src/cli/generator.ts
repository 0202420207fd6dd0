import { type Command, Option } from 'commander'
import type { ModelBackend, PolicyRef } from '../backends/backend.ts'
import { createOpenAIBackend, type OpenAIBackend } from '../backends/openai/openai.ts'
import type { TorchBackend } from '../backends/torch/torch.ts'
import { createVllmBackend } from '../backends/vllm/vllm.ts'
import { backendSchema } from '../config/backend.ts'
import { openaiSchema, type OpenAIConfig, vllmSchema } from '../config/served.ts'
import { ElenchusError } from '../errors.ts'
import { type ModelReference, resolveModel } from '../pipelines/model-reference.ts'
import type { EventSink } from '../runs/events.ts'
import { addBackendFlags, openTorch, policyOf, readBackendFlags } from './backend.ts'
import type { ModelOptions } from './commands/shared.ts'
import { addSchemaFlags, readSchemaFlags, refuseForeignFlags } from './flags.ts'

const KINDS = ['torch', 'openai', 'vllm'] as const
type Kind = (typeof KINDS)[number]

/** What commands that only generate are given. */
export interface GeneratorOptions extends ModelOptions {
  readonly backend: Kind
}

/** A backend that is to generate, with the policy that the flags name; `torch` can do more. */
export type Generator = { readonly policy: PolicyRef; readonly reference: ModelReference } & (
  | { readonly kind: 'torch'; readonly backend: TorchBackend }
  | { readonly kind: 'openai' | 'vllm'; readonly backend: ModelBackend }
)

interface Surroundings {
  readonly logDirectory: string
  readonly events: EventSink
  readonly signal: AbortSignal
}

/** Flags of commands that only generate: our own workers, or somebody's server. */
export function addGeneratorFlags(command: Command): Command {
  command.addOption(
    new Option(
      '--backend <kind>',
      'what generates: our own workers, an OpenAI-compatible server, or your vLLM, started per device',
    )
      .choices(KINDS)
      .default('torch' satisfies Kind),
  )
  addBackendFlags(command)
  addSchemaFlags(command, openaiSchema)
  return addSchemaFlags(command, vllmSchema)
}

/** Opens what the flags name. @throws ElenchusError `usage` for a flag of another kind of backend. */
export async function openGenerator(
  options: GeneratorOptions,
  surroundings: Surroundings,
): Promise<Generator> {
  const given = { ...options }
  if (options.backend === 'torch') {
    refuseForeignFlags(backendSchema, openaiSchema, given, 'a setting of --backend openai only')
    refuseForeignFlags(backendSchema, vllmSchema, given, 'a setting of --backend vllm only')
    const reference = await resolveModel(options)
    const backend = openTorch(readBackendFlags(given), reference.base, surroundings)
    return withPolicy(backend, async () => {
      return { kind: 'torch', backend, reference, policy: await policyOf(backend, reference) }
    })
  }
  const kind = options.backend
  const reference = await resolveModel(options, { served: kind === 'openai' })
  const backend =
    kind === 'openai'
      ? await openOpenAI(given, reference.base, surroundings)
      : await openVllm(given, reference.base, surroundings)
  return withPolicy(backend, async () => {
    if (reference.adapter !== null && !backend.capabilities.adapters) {
      throw new ElenchusError(
        'capability_missing',
        `The server (${backend.server}) cannot be given adapters: ${reference.adapter} would not be used.`,
        { hint: 'Serve a merged model (elenchus merge) and name it, or use vLLM.' },
      )
    }
    const policy: PolicyRef =
      reference.adapter === null
        ? { kind: 'base', fingerprint: (await backend.info()).fingerprint }
        : await backend.adapterPolicy(reference.adapter)
    return { kind, backend, reference, policy }
  })
}

async function withPolicy<Result>(backend: ModelBackend, use: () => Promise<Result>): Promise<Result> {
  try {
    return await use()
  } catch (error) {
    await backend[Symbol.asyncDispose]()
    throw error
  }
}

type Given = Readonly<Record<string, unknown>>

function openOpenAI(given: Given, model: string, { events, signal }: Surroundings): Promise<OpenAIBackend> {
  refuseForeignFlags(openaiSchema, backendSchema, given, 'a setting of --backend torch only')
  refuseForeignFlags(openaiSchema, vllmSchema, given, 'a setting of --backend vllm only')
  const config: OpenAIConfig = readSchemaFlags(openaiSchema, given)
  return createOpenAIBackend(
    {
      baseUrl: config.base_url,
      model,
      api: config.api,
      server: config.server,
      apiKeyVariable: config.api_key_variable,
      concurrency: config.concurrency,
      retries: config.retries,
      extraBody: config.extra_body,
      onWarning: (message) => events({ type: 'warning', stage: 'backend', message }),
    },
    { signal },
  )
}

/** Of the flags of our own workers, vLLM takes the devices and the data type. */
const SHARED_WITH_VLLM = ['gpus', 'dtype'] as const

function openVllm(given: Given, model: string, surroundings: Surroundings): Promise<OpenAIBackend> {
  const { events, signal, logDirectory } = surroundings
  const own = vllmSchema.extend({ dtype: backendSchema.shape.dtype, gpus: backendSchema.shape.gpus })
  refuseForeignFlags(own, backendSchema, given, 'a setting of --backend torch only')
  refuseForeignFlags(own, openaiSchema, given, 'a setting of --backend openai only')
  const config = readSchemaFlags(vllmSchema, given)
  const shared = Object.fromEntries(SHARED_WITH_VLLM.map((name) => [name, given[name]]))
  const { gpus, dtype } = readBackendFlags({ ...shared, numGpus: given['numGpus'] })
  const [program = 'vllm', ...parameters] = config.vllm_command
  return createVllmBackend(
    {
      model,
      command: [program, ...parameters],
      args: config.vllm_args,
      maxLoraRank: config.vllm_max_lora_rank,
      gpus,
      dtype,
      logDirectory,
      concurrency: config.concurrency,
      retries: config.retries,
      onWarning: (message) => events({ type: 'warning', stage: 'backend', message }),
    },
    { signal },
  )
}
