import { type Command, Option } from 'commander'
import type * as z from 'zod'
import type { ModelBackend, PolicyRef } from '../backends/backend.ts'
import { createOpenAIBackend, type OpenAIBackend } from '../backends/openai/openai.ts'
import type { TorchBackend } from '../backends/torch/torch.ts'
import { findProgram } from '../backends/vllm/command.ts'
import { createVllmBackend } from '../backends/vllm/vllm.ts'
import { backendSchema } from '../config/backend.ts'
import { openaiSchema, type OpenAIConfig } from '../config/served.ts'
import { ElenchusError } from '../errors.ts'
import { type ModelReference, resolveModel } from '../pipelines/model-reference.ts'
import { vllmSettings } from '../pipelines/open-backend.ts'
import type { EventSink } from '../runs/events.ts'
import { addBackendFlags, openTorch, policyOf, readBackendFlags } from './backend.ts'
import type { ModelOptions } from './commands/shared.ts'
import { addSchemaFlags, foreignFlags, readSchemaFlags } from './flags.ts'

const KINDS = ['torch', 'openai', 'vllm'] as const
type Kind = (typeof KINDS)[number]

/** What commands that only generate are given. */
export interface GeneratorOptions extends ModelOptions {
  readonly backend: Kind
  readonly engine?: string
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
  return addSchemaFlags(command, openaiSchema)
}

/** `--engine vllm`, as pipelines have it, is `--backend vllm`. */
export function kindOf({ backend, engine }: { readonly backend: Kind; readonly engine?: string }): Kind {
  return backend === 'torch' && engine === 'vllm' ? 'vllm' : backend
}

/** Settings of our own workers, which have no vLLM beside them. */
const torchSchema = backendSchema.omit({ vllm: true })
/** Of the settings of our own workers, vLLM takes the devices, the data type, and whom to trust. */
const vllmSchema = backendSchema.pick({
  vllm: true,
  engine: true,
  gpus: true,
  dtype: true,
  trust_remote_code: true,
})
const SCHEMAS = { openai: openaiSchema, vllm: vllmSchema, torch: torchSchema } as const satisfies Record<
  Kind,
  z.ZodObject
>

/**
 * What the flags name, without opening it.
 * @throws ElenchusError `usage` for a flag of another kind of backend, and what {@link resolveModel} refuses.
 */
export function checkGenerator(options: GeneratorOptions): Promise<ModelReference> {
  const given = { ...options }
  const kind = kindOf(options)
  refuseOthersFlags(kind, given)
  if (kind === 'openai') readSchemaFlags(openaiSchema, given)
  else readBackendFlags(given)
  return resolveModel(options, { served: kind === 'openai' })
}

/** @throws ElenchusError `usage` that names the backends which have such a flag. */
function refuseOthersFlags(kind: Kind, given: Readonly<Record<string, unknown>>): void {
  const owners = new Map<string, string[]>()
  for (const [other, schema] of Object.entries(SCHEMAS)) {
    for (const flag of foreignFlags(SCHEMAS[kind], schema, given)) {
      owners.set(flag, [...(owners.get(flag) ?? []), other])
    }
  }
  if (owners.size === 0) return
  const refusals = [...owners].map(([flag, names]) => {
    return `--${flag}: a setting of --backend ${names.sort().join(' and ')} only`
  })
  throw new ElenchusError('usage', refusals.join('; '))
}

/** Opens what the flags name. @throws ElenchusError as {@link checkGenerator} does. */
export async function openGenerator(
  options: GeneratorOptions,
  surroundings: Surroundings,
): Promise<Generator> {
  const given = { ...options }
  const kind = kindOf(options)
  const reference = await checkGenerator(options)
  if (kind === 'torch') {
    const backend = openTorch(readBackendFlags(given), reference.base, surroundings)
    return withPolicy(backend, async () => {
      return { kind: 'torch', backend, reference, policy: await policyOf(backend, reference) }
    })
  }
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

async function openVllm(given: Given, model: string, surroundings: Surroundings): Promise<OpenAIBackend> {
  const { events, signal, logDirectory } = surroundings
  const settings = vllmSettings(readBackendFlags(given))
  await findProgram(settings.command)
  return createVllmBackend(
    {
      ...settings,
      model,
      logDirectory,
      onWarning: (message) => events({ type: 'warning', stage: 'backend', message }),
    },
    { signal },
  )
}
