import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { GeneratorConfig, OakConfig, ProblemSource } from '../../config/oak.ts'
import { ElenchusError } from '../../errors.ts'
import { annotateProblems } from '../../problems/annotate.ts'
import { generateProblems, type Split } from '../../problems/generator/generate.ts'
import type { Problem } from '../../problems/problem.ts'
import { deriveSeed, Rng } from '../../random.ts'
import { writeJsonl } from '../../runs/jsonl.ts'
import { loadProblemFiles } from '../problem-files.ts'

/** The problem sets of a run; each is written to `data/<name>.jsonl` of the run directory. */
export interface OakData {
  /** Pre-training of a model made on the spot; empty for a given model. */
  readonly pretraining: readonly Problem[]
  readonly sft: readonly Problem[]
  readonly train: readonly Problem[]
  readonly heldOut: readonly Problem[]
  /** Further evaluation sets, by name. */
  readonly also: ReadonlyMap<string, readonly Problem[]>
}

export async function prepareOakData(config: OakConfig): Promise<OakData> {
  const directory = join(config.output, 'data')
  await mkdir(directory, { recursive: true })
  const resolve = async (name: string, source: ProblemSource, split: Split): Promise<readonly Problem[]> => {
    const problems = annotateProblems(await readSource(config, name, source, split))
    await writeJsonl(join(directory, `${name}.jsonl`), problems)
    return problems
  }
  const also = new Map<string, readonly Problem[]>()
  for (const [name, source] of Object.entries(config.data.evaluate_also)) {
    also.set(name, await resolve(name, source, 'held_out'))
  }
  return {
    pretraining:
      'tiny' in config.model
        ? await resolve('pretraining', { count: config.model.tiny.pretraining.problems }, 'sft')
        : [],
    sft: await resolve('sft', config.data.sft, 'sft'),
    train: await resolve('train', config.data.train, 'train'),
    heldOut: await resolve('held_out', config.data.held_out, 'held_out'),
    also,
  }
}

async function readSource(
  config: OakConfig,
  name: string,
  source: ProblemSource,
  split: Split,
): Promise<readonly Problem[]> {
  const seed = deriveSeed(config.seed, 'data', name)
  if ('count' in source) {
    return generateProblems({ ...generatorOptions(config, name), count: source.count, seed, split, name })
  }
  const problems = await loadProblemFiles(source.files)
  const [from, to] = source.slice
  if (from === 0 && to === 1) return problems
  // The shuffle depends on the files only, so that complementary slices of one file list never overlap.
  const shuffled = new Rng(deriveSeed(0, 'slice', ...source.files)).shuffle(problems)
  const part = shuffled.slice(Math.round(from * problems.length), Math.round(to * problems.length))
  if (part.length === 0) {
    throw new ElenchusError('config_invalid', `data.${name}: the slice [${from}, ${to}] holds no problem.`)
  }
  return part
}

function generatorOptions(config: OakConfig, name: string) {
  const generator: GeneratorConfig | undefined = config.data.generator
  if (generator === undefined) {
    throw new ElenchusError(
      'config_invalid',
      `data.${name} asks for generated problems, but data.generator is missing.`,
    )
  }
  const { hops, labels, rules, forms, order, ontology } = generator
  return {
    hops,
    labels,
    rules,
    forms,
    order,
    ontology,
    distractorRules: generator.distractor_rules,
    distractorFacts: generator.distractor_facts,
  }
}
