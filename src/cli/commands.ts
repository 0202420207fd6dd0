import type { Command } from 'commander'

/** A command as the program's own help shows it, and how to get it: its modules load only when it is chosen. */
export interface CommandEntry {
  readonly name: string
  readonly usage: string
  readonly description: string
  readonly load: () => Promise<() => Command>
}

/** Every command, in the order of the help. `tests/cli/program.test.ts` holds the texts against the commands themselves. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'run',
    usage: '[options] <config>',
    description: 'run the pipeline of a configuration file',
    load: async () => (await import('./commands/run.ts')).runCommand,
  },
  {
    name: 'oak',
    usage: '[options] [iterations] [problems] [gpus]',
    description: 'run the OaK loop: SFT, then [traces, judge, pairs, DPO] repeated, then evaluation',
    load: async () => (await import('./commands/oak.ts')).oakCommand,
  },
  {
    name: 'abel',
    usage: '[options]',
    description: 'run the Abel pipeline: PPO, Regime W rollouts, preference pairs, DPO, evaluation',
    load: async () => (await import('./commands/abel.ts')).abelCommand,
  },
  {
    name: 'sft',
    usage: '[options]',
    description: 'fine-tune a model on gold proofs',
    load: async () => (await import('./commands/sft.ts')).sftCommand,
  },
  {
    name: 'ppo',
    usage: '[options]',
    description: 'reinforcement learning on correct answers: PPO, GRPO or RLOO',
    load: async () => (await import('./commands/ppo.ts')).ppoCommand,
  },
  {
    name: 'traces',
    usage: '[options]',
    description: 'generate reasoning traces with a model and judge every step',
    load: async () => (await import('./commands/traces.ts')).tracesCommand,
  },
  {
    name: 'rollouts',
    usage: '[options]',
    description: 'sample several answers per question and score each group with Regime W',
    load: async () => (await import('./commands/rollouts.ts')).rolloutsCommand,
  },
  {
    name: 'preferences',
    usage: '[options]',
    description: 'build preference pairs from scored rollouts: correctness first, then coherence',
    load: async () => (await import('./commands/preferences.ts')).preferencesCommand,
  },
  {
    name: 'dpo',
    usage: '[options]',
    description: 'train on preference pairs, built from traces or given',
    load: async () => (await import('./commands/dpo.ts')).dpoCommand,
  },
  {
    name: 'evaluate',
    usage: '[options]',
    description:
      'evaluate a model on proofs (accuracy, step and trace validity) or questions, with intervals',
    load: async () => (await import('./commands/evaluate.ts')).evaluateCommand,
  },
  {
    name: 'compare',
    usage: '[options] <files...>',
    description: 'compare evaluation files: accuracy with Wilson interval, exact McNemar against the first',
    load: async () => (await import('./commands/compare.ts')).compareCommand,
  },
  {
    name: 'verify',
    usage: '[options]',
    description: 'judge a trace file, also one that another system wrote',
    load: async () => (await import('./commands/verify.ts')).verifyCommand,
  },
  {
    name: 'explain',
    usage: '[options]',
    description: 'show one judged trace, step by step',
    load: async () => (await import('./commands/explain.ts')).explainCommand,
  },
  {
    name: 'report',
    usage: '[options] <run>',
    description: 'write one self-contained HTML page about a run: results, curves, pairs, traces',
    load: async () => (await import('./commands/report.ts')).reportCommand,
  },
  {
    name: 'baseline',
    usage: '[options]',
    description: 'what the solver alone answers, without any model',
    load: async () => (await import('./commands/baseline.ts')).baselineCommand,
  },
  {
    name: 'grade',
    usage: '[options]',
    description: "grade the final answers of anybody's outputs, as exact numbers",
    load: async () => (await import('./commands/grade.ts')).gradeCommand,
  },
  {
    name: 'regime-w',
    usage: '[options]',
    description: 'score a rollout file with a Regime W preset, every component stored',
    load: async () => (await import('./commands/regime-w.ts')).regimeWCommand,
  },
  {
    name: 'data',
    usage: '',
    description: 'make, convert, inspect and check problem files',
    load: async () => (await import('./commands/data.ts')).dataCommand,
  },
  {
    name: 'merge',
    usage: '[options]',
    description: 'export an adapter and its base as one model folder',
    load: async () => (await import('./commands/merge.ts')).mergeCommand,
  },
  {
    name: 'join',
    usage: '[options]',
    description: 'serve a run that another machine started with --launcher torchrun --nnodes N',
    load: async () => (await import('./commands/join.ts')).joinCommand,
  },
  {
    name: 'runs',
    usage: '',
    description: 'list runs, show one, compare the settings of two',
    load: async () => (await import('./commands/runs.ts')).runsCommand,
  },
  {
    name: 'plan',
    usage: '[options] <config>',
    description:
      'show what a configuration would run, with the peak memory and time of each stage; starts nothing',
    load: async () => (await import('./commands/plan.ts')).planCommand,
  },
  {
    name: 'doctor',
    usage: '[options]',
    description:
      'check Node, Python, torch, GPU, disk, the wire to a real worker, and vLLM; each finding with its fix',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand,
  },
  {
    name: 'setup',
    usage: '[options]',
    description: 'make the Python environment of the workers, with the tested versions; idempotent',
    load: async () => (await import('./commands/setup.ts')).setupCommand,
  },
  {
    name: 'init',
    usage: '[options] <pipeline> [file]',
    description: 'write a commented configuration to start from; never overwrites a file',
    load: async () => (await import('./commands/init.ts')).initCommand,
  },
  {
    name: 'schema',
    usage: '<pipeline>',
    description: 'print the JSON Schema of a configuration file, with which editors complete and check it',
    load: async () => (await import('./commands/schema.ts')).schemaCommand,
  },
  {
    name: 'completion',
    usage: '<shell>',
    description: 'print a completion script for a shell',
    load: async () => (await import('./commands/completion.ts')).completionCommand,
  },
]
