import { throwIfCancelled } from '../errors.ts'
import type { Entailer } from '../entailment/entailer.ts'
import { parseTheory, type TheoryText } from '../logic/language/theory.ts'
import type { Entailment } from '../logic/truth.ts'
import type { Problem } from '../problems/problem.ts'
import { readJsonl, writeJsonl } from '../runs/jsonl.ts'
import { foreignTraceSchema, type ForeignTrace } from '../traces/record.ts'
import type { VerifySummary } from '../traces/totals.ts'
import { TraceVerifier, type VerifyOptions } from '../traces/verify.ts'

/**
 * Judges every trace of a file and writes `<file>.judged.jsonl` beside it: the same records with our verdicts.
 *
 * What the premises say of the query is computed here, never taken from the file: a trace cannot certify its
 * own UNKNOWN.
 */
export async function verifyTraceFile(
  path: string,
  options: Pick<VerifyOptions, 'claims' | 'aliases'> & {
    readonly problems?: readonly Problem[]
    readonly entailer: Entailer
    readonly signal?: AbortSignal
  },
): Promise<{ readonly summary: VerifySummary; readonly judgedPath: string }> {
  const { problems, entailer, signal, ...check } = options
  const entailments = new Map<string, Entailment>()
  const decide = async (theoryText: TheoryText): Promise<void> => {
    const key = theoryKey(theoryText)
    if (entailments.has(key)) return
    const theory = parseTheory(theoryText)
    if (theory.ok) entailments.set(key, (await entailer.decide(theory)).entailment)
  }
  for (const problem of problems ?? []) if (problem.entailment === undefined) await decide(problem)
  for await (const trace of readJsonl(path, foreignTraceSchema)) {
    throwIfCancelled(signal, 'Verifying')
    await decide(trace)
  }
  const verifier = new TraceVerifier({
    ...check,
    ...(problems && {
      problems: new Map(problems.map((problem) => [problem.problem_id, withEntailment(problem)])),
    }),
    entailmentOf: (theory) => entailments.get(theoryKey(theory)),
  })
  function withEntailment(problem: Problem): Problem {
    const entailment = problem.entailment ?? entailments.get(theoryKey(problem))
    return entailment === undefined ? problem : { ...problem, entailment }
  }
  const judgedPath = `${path}.judged.jsonl`
  await writeJsonl(judgedPath, judged(path, verifier, signal))
  return { summary: verifier.summary, judgedPath }
}

async function* judged(
  path: string,
  verifier: TraceVerifier,
  signal: AbortSignal | undefined,
): AsyncGenerator<ForeignTrace> {
  for await (const trace of readJsonl(path, foreignTraceSchema)) {
    throwIfCancelled(signal, 'Verifying')
    yield verifier.judge(trace)
  }
}

function theoryKey({ premises, conclusion, premises_fol, conclusion_fol }: TheoryText): string {
  return JSON.stringify([premises, conclusion, premises_fol, conclusion_fol])
}
