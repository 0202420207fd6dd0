import { mkdir } from 'node:fs/promises'
import { basename, dirname, extname } from 'node:path'
import { Command } from 'commander'
import * as z from 'zod'
import { generatorSchema } from '../../config/oak.ts'
import { createEntailer } from '../../entailment/entailer.ts'
import { parseTheory } from '../../logic/language/theory.ts'
import { loadProblemFiles, loadProblems } from '../../pipelines/problem-files.ts'
import { annotateProblem, annotateProblems } from '../../problems/annotate.ts'
import { generateProblems, SPLITS } from '../../problems/generator/generate.ts'
import { inspectProblems, type InspectReport } from '../../problems/inspect.ts'
import type { Problem } from '../../problems/problem.ts'
import { writeJsonl } from '../../runs/jsonl.ts'
import { addSchemaFlags, readSchemaFlags } from '../flags.ts'
import { withSession } from '../session.ts'
import { renderTable } from '../table.ts'
import { counts } from '../totals.ts'

const generateSchema = z.strictObject({
  count: z.number().int().positive().describe('Number of problems.'),
  split: z.enum(SPLITS).default('train').describe('Splits share no problem and no ontology.'),
  seed: z.number().int().nonnegative().default(42),
  ...generatorSchema.shape,
  hops: generatorSchema.shape.hops.default([1, 2, 3]),
})

interface DataOptions extends Readonly<Record<string, unknown>> {
  readonly output: string
  readonly data: readonly string[]
  readonly json?: boolean
}

/** `elenchus data generate|convert|inspect`. */
export function dataCommand(): Command {
  return new Command('data')
    .description('make, convert and inspect problem files')
    .addCommand(generateCommand())
    .addCommand(convertCommand())
    .addCommand(inspectCommand())
}

function generateCommand(): Command {
  const command = addSchemaFlags(
    new Command('generate').description('generate PrOntoQA-style problems with gold proofs'),
    generateSchema,
  )
  return command
    .requiredOption('--output <file>', 'JSONL file to be written')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus data generate --count 1000 --hops "[1, 2, 3]" --distractor-rules 3 --split train \\\n    --output data/processed/train.jsonl',
    )
    .action(async (options: DataOptions) => {
      await withSession(options, async ({ print }) => {
        const config = readSchemaFlags(generateSchema, options)
        const problems = generateProblems({
          count: config.count,
          seed: config.seed,
          split: config.split,
          hops: config.hops,
          labels: config.labels,
          forms: config.forms,
          order: config.order,
          ontology: config.ontology,
          distractorRules: config.distractor_rules,
          distractorFacts: config.distractor_facts,
        })
        await write(options.output, problems)
        print(`${problems.length} problems in ${options.output}`, {
          problems: problems.length,
          output: options.output,
        })
      })
    })
}

function convertCommand(): Command {
  return new Command('convert')
    .description('convert any known format to problem records, with entailment and gold proofs')
    .requiredOption('--data <files...>', 'PrOntoQA, Logic-LLM, ProofWriter, FOLIO or question-answer files')
    .requiredOption('--output <file>', 'JSONL file to be written')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus data convert --data 5hop.json --output data/processed/prontoqa_train.jsonl',
    )
    .action(async (options: DataOptions) => {
      await withSession(options, async ({ print, signal }) => {
        const problems = await loadProblemFiles(options.data)
        await using entailer = createEntailer()
        const converted: Problem[] = []
        for (const problem of problems) {
          signal.throwIfAborted()
          const theory = parseTheory(problem)
          const entailment =
            problem.entailment ?? (theory.ok ? (await entailer.decide(theory)).entailment : undefined)
          converted.push(annotateProblem(entailment === undefined ? problem : { ...problem, entailment }))
        }
        await write(options.output, converted)
        const gold = converted.filter((problem) => problem.gold !== undefined).length
        const unverifiable = converted.filter((problem) => problem.entailment === undefined).length
        print(
          `${converted.length} problems in ${options.output}, ${gold} with a gold proof, ${unverifiable} that cannot be read`,
          { problems: converted.length, gold, unverifiable, output: options.output },
        )
      })
    })
}

function inspectCommand(): Command {
  return new Command('inspect')
    .description('counts, balance, lengths and leaks between files')
    .requiredOption('--data <files...>', 'problem files; each is one set')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus data inspect --data data/processed/prontoqa_train.jsonl data/processed/prontoqa_test.jsonl',
    )
    .action(async (options: DataOptions) => {
      await withSession(options, async ({ print }) => {
        const sets: Record<string, readonly Problem[]> = {}
        for (const path of options.data) {
          sets[basename(path, extname(path))] = annotateProblems(await loadProblems(path))
        }
        const report = inspectProblems(sets)
        print(renderInspection(report), report)
      })
    })
}

function renderInspection({ sets, leaks }: InspectReport): string {
  const rows = Object.entries(sets).map(([name, set]) => [
    name,
    String(set.problems),
    counts(set.labels),
    counts(set.depths),
    String(set.with_gold),
    String(set.unreadable),
    String(set.duplicates.length + set.repeated_ids.length),
  ])
  return [
    renderTable(['set', 'problems', 'labels', 'hops', 'gold', 'unreadable', 'duplicates'], rows),
    '',
    leaks.length === 0
      ? 'no problem and no rule set stands in two of the sets'
      : leaks.map((leak) => `${leak.sets.join(' and ')} share ${leak.shared} ${leak.kind}`).join('\n'),
  ].join('\n')
}

async function write(path: string, problems: readonly Problem[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeJsonl(path, problems)
}
