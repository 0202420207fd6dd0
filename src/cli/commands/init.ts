import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import { Argument, Command } from 'commander'
import { parseConfig } from '../../config/load.ts'
import { pipelineSchema } from '../../config/pipeline.ts'
import { starterConfig, templateOf, type Wishes } from '../../config/starter.ts'
import { ElenchusError } from '../../errors.ts'
import { errnoCode, ioError } from '../../runs/io-error.ts'
import { parseGpus } from '../backend.ts'
import { packageFile } from '../package-files.ts'
import { withSession } from '../session.ts'

interface InitFlags {
  readonly gpus?: string
  readonly model?: string
  readonly trainData?: readonly string[]
  readonly heldOutData?: readonly string[]
  readonly output?: string
  readonly json?: boolean
}

/** `elenchus init`: a commented configuration for one's own case. */
export function initCommand(): Command {
  return new Command('init')
    .description('write a commented configuration to start from; never overwrites a file')
    .addArgument(new Argument('<pipeline>', 'oak: proofs; abel: math questions').choices(['oak', 'abel']))
    .argument('[file]', 'where to write it (default: PIPELINE.yaml)')
    .option('--gpus <list>', 'devices, for example 0,1,2,3 (default: none, a tiny model on the CPU)')
    .option('--model <path>', 'folder or hub name of the base model')
    .option('--train-data <files...>', 'problem files, or for abel questions')
    .option('--held-out-data <files...>', 'files that nothing is trained on')
    .option('--output <dir>', 'run directory')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus init oak\n  elenchus init oak mine.yaml --gpus 0,1 --model Qwen/Qwen3-8B \\\n' +
        '    --train-data data/processed/prontoqa_train.jsonl --held-out-data data/processed/prontoqa_test.jsonl\n' +
        '  elenchus init abel --gpus 0,1,2,3,4,5,6,7 --model GAIR/Abel-7B-002 --train-data data/gsm8k_train.jsonl',
    )
    .action(async (pipeline: 'oak' | 'abel', file: string | undefined, flags: InitFlags) => {
      await withSession(flags, async ({ print }) => {
        const path = file ?? `${pipeline}.yaml`
        const wishes: Wishes = {
          pipeline,
          gpus: flags.gpus === undefined ? [] : parseGpus(flags.gpus),
          model: flags.model,
          trainData: flags.trainData,
          heldOutData: flags.heldOutData,
          output: flags.output,
        }
        const template = await readFile(packageFile(templateOf(wishes)), 'utf8')
        const schema = packageFile(`configs/schema/${pipeline}.schema.json`)
        const from = dirname(resolve(path))
        const text = starterConfig(template, wishes, relative(from, schema))
        // A wish that does not fit is found now, not when the run starts.
        const config = parseConfig(text, path, pipelineSchema)
        await writeNew(path, text)
        print(
          `${path} is ready to be read and changed. Then:\n` +
            `  elenchus plan ${path}   # what would run, memory, time\n  elenchus run ${path}`,
          { path, config },
        )
      })
    })
}

async function writeNew(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    if (errnoCode(error) !== 'EEXIST') throw ioError(error, 'write', path)
    throw new ElenchusError('usage', `${path} exists already, and is not overwritten.`, {
      hint: 'Name another file: elenchus init PIPELINE FILE.',
    })
  }
}
