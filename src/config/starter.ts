import { parseDocument } from 'yaml'

/** What somebody who starts wants; see {@link starterConfig}. */
export interface Wishes {
  readonly pipeline: 'oak' | 'abel'
  /** Devices; none: the CPU. */
  readonly gpus: readonly number[]
  /** Folder or hub name; absent: the shipped one, or a tiny model made on the spot. */
  readonly model?: string | undefined
  readonly trainData?: readonly string[] | undefined
  readonly heldOutData?: readonly string[] | undefined
  readonly output?: string | undefined
}

/** Which shipped configuration a wish starts from: without a device and a model, the tiny one. */
export function templateOf({ pipeline, gpus, model }: Wishes): string {
  return gpus.length === 0 && model === undefined
    ? `configs/tiny.${pipeline}.yaml`
    : `configs/${pipeline}.yaml`
}

/**
 * A commented configuration for one's own case: a shipped one with the wishes in it. Its comments stay.
 * @param template the text of {@link templateOf}.
 * @param schemaPath where an editor finds the JSON Schema, from the file's folder.
 */
export function starterConfig(template: string, wishes: Wishes, schemaPath: string): string {
  const document = parseDocument(template.replace(/^# yaml-language-server:.*\n/, ''))
  const { pipeline, gpus, model, trainData, heldOutData, output } = wishes
  if (model !== undefined) document.setIn(['model', 'path'], model)
  if (output !== undefined) document.set('output', output)
  const tiny = document.hasIn(['model', 'tiny'])
  if (!tiny) document.setIn(['backend', 'gpus'], document.createNode([...gpus], { flow: true }))
  const source = (files: readonly string[], slice?: readonly [number, number]): unknown =>
    document.createNode({ files: [...files], ...(slice && { slice: [...slice] }) }, { flow: true })
  if (trainData !== undefined) {
    // Without a file to hold out, a fifth of the training problems is kept apart; questions have no slices.
    const part = heldOutData === undefined && pipeline === 'oak' ? ([0, 0.8] as const) : undefined
    document.setIn(['data', 'train'], source(trainData, part))
    if (pipeline === 'oak') document.setIn(['data', 'sft'], source(trainData, part))
    if (part !== undefined) document.setIn(['data', 'held_out'], source(trainData, [0.8, 1]))
  }
  if (heldOutData !== undefined) document.setIn(['data', 'held_out'], source(heldOutData))
  return `# yaml-language-server: $schema=${schemaPath}\n${document.toString({ lineWidth: 120 })}`
}
