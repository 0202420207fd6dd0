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
 * Tells an adapter folder (PEFT) from a model: users of the old scripts pass either as `--model`.
 *
 * @param options.base overrides the base that the adapter names.
 * @throws ElenchusError `file_missing` for a path that looks local and does not exist;
 *   `record_invalid` for an unreadable adapter_config.json.
 */
export async function resolveModel(
  model: string,
  options: { readonly base?: string | undefined; readonly adapter?: string | undefined } = {},
): Promise<ModelReference> {
  if (options.adapter !== undefined) return { base: options.base ?? model, adapter: options.adapter }
  const config = join(model, 'adapter_config.json')
  if (await exists(config)) {
    const parsed = adapterConfigSchema.safeParse(JSON.parse(await readFile(config, 'utf8')))
    if (!parsed.success) {
      throw new ElenchusError('record_invalid', `${config} does not name its base model.`, {
        hint: 'Pass the base with --base-model.',
      })
    }
    return { base: options.base ?? parsed.data.base_model_name_or_path, adapter: model }
  }
  const looksLocal = /^[./~]|^outputs\/|^checkpoints\//.test(model)
  if (looksLocal && !(await exists(model))) {
    throw new ElenchusError('file_missing', `There is no model in ${model}.`)
  }
  return { base: options.base ?? model, adapter: null }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
