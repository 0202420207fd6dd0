/**
 * The judge without a model, without files, without Python: proofs with options, whole trace files, plain chains of
 * thought, and what premises say at all.
 *
 *     node examples/judge-anything.ts         # Node 22.18 or newer; elsewhere `npx tsx`
 */
import {
  annotateProblems,
  type ChainProblem,
  createEntailer,
  type Decision,
  type Entailer,
  type Entailment,
  explainTrace,
  generateProblems,
  type GeneratorOptions,
  judgeChain,
  type JudgedChain,
  type JudgedTrace,
  type Label,
  parseTheory,
  type Problem,
  type ReadResult,
  readProblems,
  renderProofPrompt,
  type Theory,
  type TheoryText,
  type TraceRecord,
  type Unread,
  verifyProof,
  verifyTrace,
  verifyTraces,
  type VerifyOptions,
  type VerifySummary,
} from 'elenchus'

const premises = ['Every cat is a feline.', 'Max is a cat.']
const conclusion = 'Max is a feline.'
const proof = `Thought: Max is a cat. [1] Every cat is a feline. [0] So Max is a feline. [2]
Action: <Option type="MODUS_PONENS" args="[1, 0]" />
Thought: Max is a feline. [2] The query is Max is a feline. So the answer is TRUE.
Action: <Option type="CONCLUDE" args="[0]" />
`

/** One proof: valid or not, and for a person why. (`verifyTrace` is the same function.) */
export function judgeOne(text = proof): { trace: JudgedTrace; explanation: string; same: boolean } {
  const label: Label = 'TRUE'
  const problem = { premises, conclusion, label }
  const trace = verifyProof(problem, text)
  const again = verifyTrace(problem, text)
  return { trace, explanation: explainTrace(problem, trace), same: again.trace_valid === trace.trace_valid }
}

/** The share of steps that the judge accepts in traces of any origin; what they claim of themselves is ignored. */
export function judgeMany(
  records: readonly Pick<TraceRecord, 'premises' | 'conclusion' | 'steps'>[],
): VerifySummary {
  const options: VerifyOptions = { claims: 'required' }
  return verifyTraces(records, options).summary
}

/** A chain of thought without options, judged as PrOntoQA's own judge does. */
export function judgePlainChain(completion: string): JudgedChain {
  const problem: ChainProblem = { premises, conclusion }
  return judgeChain(problem, completion)
}

/** Whether premises prove, refute or leave open a query, Z3 deciding where the closure does not reach; or what cannot be read. */
export async function decide(query: string): Promise<Entailment | readonly Unread[]> {
  const text: TheoryText = { premises, conclusion: query }
  const theory: Theory = parseTheory(text)
  if (!theory.ok) return theory.reasons
  const entailer: Entailer = createEntailer()
  try {
    const decision: Decision = await entailer.decide(theory)
    return decision.entailment
  } finally {
    await entailer[Symbol.asyncDispose]()
  }
}

/** Problems of ours with gold proofs; a prompt as every stage renders it. */
export function makeProblems(count: number): { problems: Problem[]; prompt: string } {
  const options: GeneratorOptions = { count, seed: 1, split: 'dev', hops: [1, 2] }
  const problems = generateProblems(options)
  return { problems, prompt: problems.map(renderProofPrompt)[0] ?? '' }
}

/** Problems of a file in any known format, with gold proofs where they can be found. */
export function readFile(text: string, name: string): { problems: Problem[]; refused: number } {
  const { problems, issues }: ReadResult = readProblems(text, name)
  return { problems: annotateProblems(problems), refused: issues.length }
}

if (import.meta.filename === process.argv[1]) {
  console.log(judgeOne().explanation)
  console.log(judgePlainChain('Max is a cat. Every cat is a feline. Max is a feline.').verdicts)
  console.log(await decide('Max is a feline.'))
}
