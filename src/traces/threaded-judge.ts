import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { ElenchusError } from '../errors.ts'
import type { Problem } from '../problems/problem.ts'
import type { JudgedTrace } from './record.ts'
import { createSampleJudge, type JudgedProblem } from './sample-judge.ts'

export interface JudgeSetup {
  readonly problems: readonly JudgedProblem[]
  readonly samples: number
}

export interface JudgeQuestion {
  readonly id: number
  /** Index of the problem. */
  readonly problem: number
  readonly text: string
}

export interface JudgeAnswer {
  readonly id: number
  readonly judged: JudgedTrace
  /** Spent judging. */
  readonly seconds: number
}

/** Judges samples without holding up whoever asks. */
export interface BackgroundJudge extends AsyncDisposable {
  /** @throws ElenchusError `internal` if the judge fails or its thread ends. */
  judge(problem: number, text: string): Promise<{ readonly judged: JudgedTrace; readonly seconds: number }>
}

/**
 * The judge on a thread of its own, so that a long trace holds up neither the workers' messages nor the event
 * loop of an embedding service. One thread is enough: it judges far more steps per second than any group of
 * devices generates. Verdicts are those of {@link createSampleJudge}, byte for byte.
 *
 * Where the thread's program is not there as JavaScript (sources run directly, or bundled into one file), the
 * judge runs inline, with the same verdicts.
 */
export function openJudge(problems: readonly Problem[], samples: number): BackgroundJudge {
  const program = new URL('./judge-thread.js', import.meta.url)
  return existsSync(program) ? new ThreadedJudge(program, problems, samples) : inlineJudge(problems, samples)
}

function inlineJudge(problems: readonly Problem[], samples: number): BackgroundJudge {
  const judge = createSampleJudge(problems, samples)
  return {
    judge: (problem, text) => {
      const began = performance.now()
      const judged = judge(problem, text)
      return Promise.resolve({ judged, seconds: (performance.now() - began) / 1000 })
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

interface Pending {
  readonly resolve: (answer: JudgeAnswer) => void
  readonly reject: (error: ElenchusError) => void
}

class ThreadedJudge implements BackgroundJudge {
  readonly #thread: Worker
  readonly #pending = new Map<number, Pending>()
  #nextId = 0
  #failure: ElenchusError | null = null

  constructor(program: URL, problems: readonly Problem[], samples: number) {
    const workerData: JudgeSetup = { problems: problems.map(judgedPart), samples }
    this.#thread = new Worker(program, { workerData, name: 'elenchus-judge' })
    // Idle, it is no reason for the process to stay alive.
    this.#thread.unref()
    this.#thread.on('message', (answer: JudgeAnswer) => {
      this.#pending.get(answer.id)?.resolve(answer)
      this.#forget(answer.id)
    })
    this.#thread.on('error', (error) => this.#fail(error))
    this.#thread.on('exit', (code) => this.#fail(new Error(`it ended with status ${code}`)))
  }

  judge(problem: number, text: string): Promise<JudgeAnswer> {
    if (this.#failure !== null) return Promise.reject(this.#failure)
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#thread.ref()
      const question: JudgeQuestion = { id, problem, text }
      // The rule is about windows; a thread has no origin.
      // oxlint-disable-next-line unicorn/require-post-message-target-origin
      this.#thread.postMessage(question)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failure ??= new ElenchusError('internal', 'The judge was asked after it had been disposed of.')
    await this.#thread.terminate()
  }

  #forget(id: number): void {
    this.#pending.delete(id)
    if (this.#pending.size === 0) this.#thread.unref()
  }

  #fail(cause: unknown): void {
    const message = cause instanceof Error ? cause.message : String(cause)
    this.#failure ??= new ElenchusError('internal', `The judge's thread failed: ${message}`, { cause })
    for (const { reject } of this.#pending.values()) reject(this.#failure)
    this.#pending.clear()
  }
}

function judgedPart(problem: Problem): JudgedProblem {
  const { problem_id, premises, conclusion, label, premises_fol, conclusion_fol, entailment } = problem
  return {
    problem_id,
    premises,
    conclusion,
    label,
    ...(premises_fol && { premises_fol }),
    ...(conclusion_fol !== undefined && { conclusion_fol }),
    ...(entailment && { entailment }),
  }
}
