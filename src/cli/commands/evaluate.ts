import { Command, Option } from 'commander'
import { questionEvaluationSchema } from '../../config/evaluation-questions.ts'
import { evaluationSchema } from '../../config/evaluation.ts'
import { ElenchusError } from '../../errors.ts'
import type { PreparedEvaluation } from '../evaluated-policy.ts'
import { prepareProofs } from '../evaluate-proofs.ts'
import { prepareQuestions } from '../evaluate-questions.ts'
import { addSchemaFlags, refuseForeignFlags } from '../flags.ts'
import { addGeneratorFlags, type GeneratorOptions } from '../generator.ts'
import { positiveInteger, share } from '../numbers.ts'
import { withBackendSession } from '../dry-run.ts'
import { addModelFlags, addRunFlags, type RunOptions } from './shared.ts'

const PROOF_TASKS = ['prontoqa', 'folio']
const QUESTION_TASKS = ['gsm8k', 'gsm8k-platinum']

export interface EvaluateOptions extends RunOptions, GeneratorOptions {
  readonly task: string
  readonly data: readonly string[]
  readonly platinumOverlay?: string
  readonly numProblems?: number
  readonly mergeAdapter?: boolean
  readonly gate?: number
}

/** `elenchus evaluate`: accuracy and validity of a policy on held-out problems. */
export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description(
      'evaluate a model on proofs (accuracy, step and trace validity) or questions, with intervals',
    )
    .requiredOption('--data <files...>', 'problem files; for gsm8k: questions')
    .addOption(
      new Option('--task <task>', 'what the data asks for')
        .choices([...PROOF_TASKS, ...QUESTION_TASKS])
        .default('prontoqa'),
    )
    .option('--platinum-overlay <file>', "for gsm8k-platinum made from GSM8K's test questions")
    .option('--num-problems <n>', 'the first n problems', positiveInteger)
    .option('--merge-adapter', 'evaluate a second, merged copy of the model, made for this evaluation only')
    .option(
      '--gate <share>',
      'exit with status 5 below this trace validity (proofs) or accuracy (questions)',
      share,
    )
  addModelFlags(command)
  addSchemaFlags(command, evaluationSchema)
  addSchemaFlags(command, questionEvaluationSchema)
  addGeneratorFlags(command)
  return addRunFlags(command)
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus evaluate --model outputs/dpo/run1/final --data data/processed/prontoqa_test.jsonl \\\n    --output outputs/evaluation/run1\n  elenchus evaluate --task gsm8k-platinum --base-model GAIR/Abel-7B-002 --lora-path checkpoints/abel_ppo_lora \\\n    --data data/gsm8k_platinum.jsonl --output outputs/abel_ppo_platinum_eval.jsonl',
    )
    .action(async (options: EvaluateOptions) => {
      await withBackendSession(options, {
        prepare: async (): Promise<PreparedEvaluation> => {
          const given = { ...options }
          if (options.platinumOverlay !== undefined && options.task !== 'gsm8k-platinum') {
            throw new ElenchusError('usage', '--platinum-overlay belongs to --task gsm8k-platinum.')
          }
          if (QUESTION_TASKS.includes(options.task)) {
            const reason = `not a setting of --task ${options.task}`
            refuseForeignFlags(questionEvaluationSchema, evaluationSchema, given, reason)
            return prepareQuestions(options)
          }
          const reason = `a setting of --task ${QUESTION_TASKS.join(' and ')} only`
          refuseForeignFlags(evaluationSchema, questionEvaluationSchema, given, reason)
          return prepareProofs(options)
        },
        run: ({ evaluate }, session) => evaluate(session),
      })
    })
}
