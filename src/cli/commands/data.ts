import { mkdir } from 'node:fs/promises'
import { basename, dirname, extname } from 'node:path'
import { Command, Option } from 'commander'
import * as z from 'zod'
import { questionGeneratorSchema } from '../../config/abel.ts'
import { generatorSchema } from '../../config/oak.ts'
import { type BaselineSummary, runBaseline } from '../../entailment/baseline.ts'
import { createEntailer } from '../../entailment/entailer.ts'
import { ElenchusError, throwIfCancelled } from '../../errors.ts'
import { parseTheory } from '../../logic/language/theory.ts'
import { loadProblemFiles, loadProblems } from '../../pipelines/problem-files.ts'
import { annotateProblem, annotateProblems } from '../../problems/annotate.ts'
import { generateQuestions } from '../../problems/arithmetic/generate.ts'
import { downloadOf } from '../../problems/downloads.ts'
import { generateProblems, SPLITS } from '../../problems/generator/generate.ts'
import { inspectProblems, type InspectReport, type Range, type SetReport } from '../../problems/inspect.ts'
import type { Problem } from '../../problems/problem.ts'
import { fingerprintFile } from '../../runs/fingerprint.ts'
import { writeJsonl } from '../../runs/jsonl.ts'
import { addSchemaFlags, readSchemaFlags, refuseForeignFlags } from '../flags.ts'
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
  readonly task?: string
  readonly json?: boolean
}

/** `elenchus data generate|convert|inspect|check`. */
export function dataCommand(): Command {
  return new Command('data')
    .description('make, convert, inspect and check problem files')
    .addCommand(generateCommand())
    .addCommand(convertCommand())
    .addCommand(inspectCommand())
    .addCommand(checkCommand())
}

const questionsSchema = z.strictObject({
  count: generateSchema.shape.count,
  split: generateSchema.shape.split,
  seed: generateSchema.shape.seed,
  ...questionGeneratorSchema.shape,
})

function generateCommand(): Command {
  const command = new Command('generate')
    .description('generate PrOntoQA-style problems with gold proofs, or arithmetic word problems')
    .addOption(
      new Option('--task <task>', 'proofs, or word problems with worked solutions')
        .choices(['prontoqa', 'arithmetic'])
        .default('prontoqa'),
    )
  addSchemaFlags(command, generateSchema)
  addSchemaFlags(command, questionsSchema)
  return command
    .requiredOption('--output <file>', 'JSONL file to be written')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus data generate --count 1000 --hops "[1, 2, 3]" --distractor-rules 3 --split train \\\n    --output data/processed/train.jsonl\n  elenchus data generate --count 300 --labels \'["TRUE", "FALSE", "UNKNOWN"]\' --output data/processed/three.jsonl\n  elenchus data generate --task arithmetic --count 1000 --steps "[1, 2, 3]" --output data/questions.jsonl',
    )
    .action(async (options: DataOptions) => {
      await withSession(options, async ({ print }) => {
        if (options.task === 'arithmetic') {
          refuseForeignFlags(questionsSchema, generateSchema, options, 'not a setting of --task arithmetic')
          const {
            max_operand: maxOperand,
            max_result: maxResult,
            ...rest
          } = readSchemaFlags(questionsSchema, options)
          const questions = generateQuestions({ ...rest, maxOperand, maxResult })
          await mkdir(dirname(options.output), { recursive: true })
          await writeJsonl(options.output, questions)
          const counted = { questions: questions.length, output: options.output }
          print(`${questions.length} questions in ${options.output}`, counted)
          return
        }
        refuseForeignFlags(generateSchema, questionsSchema, options, 'a setting of --task arithmetic only')
        const config = readSchemaFlags(generateSchema, options)
        const problems = generateProblems({
          count: config.count,
          seed: config.seed,
          split: config.split,
          hops: config.hops,
          labels: config.labels,
          rules: config.rules,
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
          throwIfCancelled(signal, 'Converting')
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

/** Whether files are the ones they are taken for. */
function checkCommand(): Command {
  return new Command('check')
    .description('check downloaded files by hash: which known file each is, and under which licence')
    .requiredOption('--data <files...>', 'files as they were downloaded')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExample:\n  elenchus data check --data gsm8k/train.jsonl gsm8k/test.jsonl')
    .action(async (options: DataOptions) => {
      await withSession(options, async ({ print }) => {
        const files = await Promise.all(
          options.data.map(async (file) => {
            const sha256 = await fingerprintFile(file)
            return { file, sha256, known: downloadOf(sha256) ?? null }
          }),
        )
        const rows = files.map(({ file, known, sha256 }) => [
          file,
          known?.name ?? 'UNKNOWN',
          known === null ? sha256 : String(known.items),
          known?.licence ?? '',
        ])
        print(renderTable(['file', 'is', 'items', 'licence'], rows), { files })
        const unknown = files.filter(({ known }) => known === null).map(({ file }) => file)
        if (unknown.length === 0) return
        throw new ElenchusError('record_invalid', `Not a file that is known: ${unknown.join(', ')}.`, {
          hint: 'Another version, or a damaged download; docs/data.md has the commits. It may well be read all the same.',
        })
      })
    })
}

function inspectCommand(): Command {
  return new Command('inspect')
    .description('counts, balance, lengths, what the solver alone answers, and leaks between files')
    .requiredOption('--data <files...>', 'problem files; each is one set')
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExample:\n  elenchus data inspect --data data/processed/prontoqa_train.jsonl data/processed/prontoqa_test.jsonl',
    )
    .action(async (options: DataOptions) => {
      await withSession(options, async ({ print, signal }) => {
        const sets: Record<string, readonly Problem[]> = {}
        for (const path of options.data) {
          sets[basename(path, extname(path))] = annotateProblems(await loadProblems(path))
        }
        const { sets: inspected, leaks } = inspectProblems(sets)
        await using entailer = createEntailer()
        const report: Inspection = { sets: {}, leaks }
        for (const [name, set] of Object.entries(inspected)) {
          const problems = sets[name] ?? []
          throwIfCancelled(signal, 'Inspecting')
          const { summary } = await runBaseline(problems, entailer)
          const commonest = Math.max(...Object.values(set.labels)) / problems.length
          report.sets[name] = { ...set, baselines: { commonest_label: commonest, solver: summary } }
        }
        print(renderInspection(report), report)
      })
    })
}

interface Inspection {
  readonly sets: Record<string, SetReport & { readonly baselines: Baselines }>
  readonly leaks: InspectReport['leaks']
}

/** What needs no model. */
interface Baselines {
  /** Share of the problems with the commonest label. */
  readonly commonest_label: number
  readonly solver: BaselineSummary
}

const LEAKED = { problem: 'problems', rules: 'sets of rules' } as const

function renderInspection({ sets, leaks }: Inspection): string {
  const share = (part: number, all: number): string => `${((100 * part) / all).toFixed(1)} %`
  const range = (of: Range | null): string =>
    of === null ? '-' : `${of.min} - ${of.max}, mean ${of.mean.toFixed(1)}`
  const rows = Object.entries(sets).map(([name, set]) => [
    name,
    String(set.problems),
    counts(set.labels),
    Object.entries(set.depths)
      .map(([hops, number]) => `${hops}: ${number}`)
      .join(', '),
    String(set.with_gold),
    `${set.unreadable} (${share(set.unreadable, set.problems)})`,
    String(set.duplicates.length + set.repeated_ids.length),
  ])
  const more = Object.entries(sets).map(([name, { baselines, ...set }]) => [
    name,
    range(set.premises),
    range(set.prompt_length),
    range(set.gold_length),
    share(baselines.commonest_label, 1),
    share(baselines.solver.right, set.problems),
  ])
  return [
    renderTable(['set', 'problems', 'labels', 'hops', 'gold', 'unreadable', 'duplicates'], rows),
    '',
    renderTable(['set', 'premises', 'characters', 'of the proof', 'commonest label', 'solver alone'], more),
    '',
    leaks.length === 0
      ? 'no problem and no rule set stands in two of the sets'
      : leaks
          .map(({ sets: [a, b], shared, kind }) => `${a} and ${b} share ${shared} ${LEAKED[kind]}`)
          .join('\n'),
  ].join('\n')
}

async function write(path: string, problems: readonly Problem[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeJsonl(path, problems)
}
