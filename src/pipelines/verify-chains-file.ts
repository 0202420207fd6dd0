import { throwIfCancelled } from '../errors.ts'
import type { Entailer } from '../entailment/entailer.ts'
import type { ChainProblem } from '../logic/chains/judge-chain.ts'
import { parseTheory } from '../logic/language/theory.ts'
import type { Entailment } from '../logic/truth.ts'
import type { Problem } from '../problems/problem.ts'
import { readJsonl, writeJsonl } from '../runs/jsonl.ts'
import {
  chainProblem,
  chainSchema,
  ChainVerifier,
  type ChainRecord,
  type ChainSummary,
} from '../traces/chains.ts'

/**
 * Judges every chain of a file and writes `<file>.judged.jsonl` beside it: the same records with our verdicts.
 *
 * @throws ElenchusError `record_invalid` for a line without a completion or a problem; `file_missing`; `io_failed`.
 */
export async function verifyChainFile(
  path: string,
  options: {
    readonly problems?: readonly Problem[]
    readonly entailer: Entailer
    readonly signal?: AbortSignal
  },
): Promise<{ readonly summary: ChainSummary; readonly judgedPath: string }> {
  const verifier = new ChainVerifier()
  const judgedPath = `${path}.judged.jsonl`
  await writeJsonl(judgedPath, judged(path, verifier, options))
  return { summary: verifier.summary, judgedPath }
}

async function* judged(
  path: string,
  verifier: ChainVerifier,
  { problems = [], entailer, signal }: Parameters<typeof verifyChainFile>[1],
): AsyncGenerator<ChainRecord> {
  const listed = new Map(problems.map((problem) => [problem.problem_id, problem]))
  const decide = rememberedDecision(entailer)
  for await (const chain of readJsonl(path, chainSchema(listed))) {
    throwIfCancelled(signal, 'Verifying')
    const problem = chainProblem(chain, listed)
    // The schema lets no chain without a problem pass; the test only tells the compiler.
    if (problem !== null) yield verifier.judge(chain, problem, problem.entailment ?? (await decide(problem)))
  }
}

/** What premises say of their conclusion, each problem decided once; undefined where they cannot be read. */
function rememberedDecision(entailer: Entailer): (problem: ChainProblem) => Promise<Entailment | undefined> {
  const known = new Map<string, Entailment | undefined>()
  return async ({ premises, conclusion, premises_fol, conclusion_fol }) => {
    const text = { premises, conclusion, premises_fol, conclusion_fol }
    const key = JSON.stringify(text)
    if (known.has(key)) return known.get(key)
    const theory = parseTheory(text)
    const entailment = theory.ok ? (await entailer.decide(theory)).entailment : undefined
    known.set(key, entailment)
    return entailment
  }
}
