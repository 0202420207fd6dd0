import { ElenchusError } from '../errors.ts'
import type { Formula } from '../logic/formula.ts'
import { decideByClosure, type EntailmentQuestion } from '../logic/search/closure.ts'
import { decideForwards } from '../logic/search/forward.ts'
import type { Entailment } from '../logic/truth.ts'
import { satisfiabilityScript } from './smtlib.ts'
import { Z3Process } from './z3-process.ts'

export interface Decision {
  readonly entailment: Entailment
  readonly method: 'closure' | 'z3' | 'forward'
  /** Why it is `undecided`. */
  readonly reason?: string
}

export interface DecideOptions {
  /** Z3's deterministic resource limit for each of the two questions it is asked. */
  readonly rlimit?: number
  /** Wall time for each of them: a safety net, since its verdict depends on the machine. */
  readonly timeoutMs?: number
}

/** Decides what premises say of a query. Safe to call concurrently; dispose of it to end its process. */
export interface Entailer extends AsyncDisposable {
  decide(question: EntailmentQuestion, options?: DecideOptions): Promise<Decision>
}

/** About a second on an ordinary core; the questions of FOLIO and ProofWriter need less than a thousandth of it. */
export const DEFAULT_RLIMIT = 20_000_000
export const DEFAULT_TIMEOUT_MS = 30_000

/**
 * The closure where it is complete, Z3 for everything else. `method: 'z3'` asks Z3 always (for comparisons).
 * Z3 starts with the first question that needs it.
 */
export function createEntailer(options: { readonly method?: 'auto' | 'z3' } = {}): Entailer {
  const z3 = new Z3Process()
  return {
    async decide(question, limits = {}) {
      const closed = options.method === 'z3' ? null : decideByClosure(question)
      return closed === null ? decideByZ3(z3, question, limits) : { entailment: closed, method: 'closure' }
    },
    [Symbol.asyncDispose]: () => z3[Symbol.asyncDispose](),
  }
}

/**
 * Rules applied forwards only: how ProofWriter's labels are made. What is outside its fragment is `undecided`. Needs no
 * process.
 */
export function createForwardEntailer(): Entailer {
  return {
    decide(question) {
      const entailment = decideForwards(question)
      const reason = 'Not all sentences are facts and rules of conjunctions.'
      return Promise.resolve(
        entailment === null
          ? { entailment: 'undecided', method: 'forward', reason }
          : { entailment, method: 'forward' },
      )
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** Benchmarks whose labels the solver can recompute. */
export const BASELINE_TASKS = ['prontoqa', 'folio', 'proofwriter'] as const
export type BaselineTask = (typeof BASELINE_TASKS)[number]

/** The entailer with the semantics of a task's labels: forward rules for ProofWriter, entailment for the others. */
export function createTaskEntailer(task: BaselineTask): Entailer {
  return task === 'proofwriter' ? createForwardEntailer() : createEntailer()
}

async function decideByZ3(
  z3: Z3Process,
  { store, premises, query }: EntailmentQuestion,
  { rlimit = DEFAULT_RLIMIT, timeoutMs = DEFAULT_TIMEOUT_MS }: DecideOptions,
): Promise<Decision> {
  /** Whether the premises leave room for the formula; the reason where Z3 gives up. */
  const consistentWith = async (formula: Formula): Promise<boolean | string> => {
    const script = satisfiabilityScript([...premises, formula])
    const answer = await z3.ask({ script, rlimit, timeoutMs })
    if (answer.kind === 'gave-up') return answer.reason
    if (answer.kind !== 'refused') return answer.kind === 'sat'
    throw new ElenchusError('internal', `Z3 did not understand the question: ${answer.message}`)
  }
  const denied = await consistentWith(store.not(query))
  if (typeof denied === 'string') return undecided(denied)
  const affirmed = await consistentWith(query)
  if (typeof affirmed === 'string') return undecided(affirmed)
  // Premises that leave room for neither the query nor its negation have no model at all.
  if (affirmed) return { entailment: denied ? 'unknown' : 'proved', method: 'z3' }
  return { entailment: denied ? 'refuted' : 'inconsistent', method: 'z3' }
}

function undecided(reason: string): Decision {
  return { entailment: 'undecided', method: 'z3', reason: `${reason}.` }
}
