import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { ElenchusError } from '../errors.ts'

/** What `--model` names: a base, and perhaps an adapter folder on it. */
export interface ModelReference {
  /** Local folder or hub name of the base. */
  readonly base: string
  readonly adapter: string | null
}

const adapterConfigSchema = z.looseObject({ base_model_name_or_path: z.string().min(1) })

/**
 * Tells an adapter folder (PEFT) from a model: users of the old scripts pass either as `--model`, or
 * `--base-model` with `--lora-path`.
 *
 * @throws ElenchusError `usage` when no model is named; `file_missing` for a path that looks local and does
 *   not exist; `record_invalid` for an unreadable adapter_config.json.
 */
export async function resolveModel(
  options: {
    readonly model?: string | undefined
    readonly baseModel?: string | undefined
    readonly loraPath?: string | undefined
  },
  /** `served`: the base is a name on a server, and need not be on this machine. */
  { served = false }: { readonly served?: boolean } = {},
): Promise<ModelReference> {
  const { baseModel, loraPath } = options
  const model = options.model ?? loraPath ?? baseModel
  if (model === undefined) {
    throw new ElenchusError('usage', 'No model is named: pass --model, or --base-model with --lora-path.')
  }
  if (options.model !== undefined && loraPath !== undefined) {
    throw new ElenchusError(
      'usage',
      '--model and --lora-path exclude each other: use --base-model with --lora-path.',
    )
  }
  // A training stage keeps its adapter in `final/`; the old scripts' users name the stage's folder.
  const adapter = (await isAdapter(join(model, 'final'))) ? join(model, 'final') : model
  const config = join(adapter, 'adapter_config.json')
  if (await exists(config)) {
    const parsed = adapterConfigSchema.safeParse(JSON.parse(await readFile(config, 'utf8')))
    if (!parsed.success) {
      throw new ElenchusError('record_invalid', `${config} does not name its base model.`, {
        hint: 'Pass the base with --base-model.',
      })
    }
    return { base: baseModel ?? parsed.data.base_model_name_or_path, adapter }
  }
  if (loraPath !== undefined) {
    throw new ElenchusError('file_missing', `There is no adapter in ${loraPath} (no adapter_config.json).`)
  }
  const looksLocal = /^[./~]|^outputs\/|^checkpoints\//.test(model)
  if (!served && looksLocal && !(await exists(model))) {
    throw new ElenchusError('file_missing', `There is no model in ${model}.`)
  }
  return { base: model, adapter: null }
}

function isAdapter(folder: string): Promise<boolean> {
  return exists(join(folder, 'adapter_config.json'))
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
