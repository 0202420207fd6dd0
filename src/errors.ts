/**
 * The one table of failures, for both languages: `py-runtime` sends these codes over the wire and
 * `py-runtime/tests/test_errors.py` holds its copy against this one.
 *
 * `retryable`: the same call may succeed later without anybody changing anything.
 */
export const ERROR_CODES = {
  // configuration and usage (exit 2)
  usage: { retryable: false, exit: 2, hint: 'Run the command with --help.' },
  config_invalid: { retryable: false, exit: 2, hint: 'Correct the value that the message names.' },
  config_changed: {
    retryable: false,
    exit: 2,
    hint: 'Use another output directory, or restore the settings that the message lists.',
  },
  run_exists: {
    retryable: false,
    exit: 2,
    hint: 'Add --resume to continue it, or choose another output directory.',
  },
  run_locked: {
    retryable: true,
    exit: 2,
    hint: 'Another process works in this directory; wait for it or stop it.',
  },
  stale_policy: {
    retryable: false,
    exit: 2,
    hint: 'Generate fresh traces with this policy, or pass --allow-stale-traces.',
  },
  capability_missing: {
    retryable: false,
    exit: 2,
    hint: 'Choose a backend that has this capability (torch has all of them).',
  },
  // data (exit 1)
  record_invalid: { retryable: false, exit: 1, hint: 'Correct or remove the line that the message names.' },
  file_missing: { retryable: false, exit: 2, hint: 'Check the path.' },
  io_failed: { retryable: true, exit: 1, hint: 'Check free space and permissions, then use --resume.' },
  checkpoint_corrupt: {
    retryable: false,
    exit: 1,
    hint: 'Delete the damaged checkpoints and use --resume to train again from the beginning.',
  },
  no_pairs: {
    retryable: false,
    exit: 1,
    hint: 'Read the counts in the message; the flag to change stands beside each.',
  },
  gate_failed: {
    retryable: false,
    exit: 5,
    hint: 'The evaluation ran; its result is below what --gate asks for.',
  },
  // environment (exit 3)
  environment: { retryable: false, exit: 3, hint: 'Run `elenchus doctor`: it says what is missing.' },
  // wire and workers (exit 1)
  protocol_violation: {
    retryable: false,
    exit: 1,
    hint: 'The other side speaks another protocol version, or is no Elenchus worker.',
  },
  handshake_refused: { retryable: false, exit: 1, hint: 'Use matching versions on both sides.' },
  worker_start_failed: { retryable: false, exit: 3, hint: 'Read the log tail in the message.' },
  worker_died: { retryable: true, exit: 1, hint: 'Read the log tail in the message, then use --resume.' },
  deadly_request: {
    retryable: false,
    exit: 1,
    hint: 'Read the log. Shorten or remove the record that the message names, or lower --max-new-tokens or --max-length; then use --resume.',
  },
  worker_stalled: {
    retryable: true,
    exit: 1,
    hint: 'The worker is alive but makes no progress. If it is only slow, raise the limit of this phase (--limits-step 900); then use --resume.',
  },
  deadline_exceeded: { retryable: true, exit: 1, hint: 'Raise the deadline or send less per request.' },
  cancelled: { retryable: true, exit: 130, hint: 'Use --resume to continue.' },
  // inside the worker (exit 1)
  bad_request: { retryable: false, exit: 1, hint: 'The request body does not fit the operation.' },
  unknown_op: { retryable: false, exit: 1, hint: 'The worker is older than the orchestrator.' },
  model_load_failed: {
    retryable: false,
    exit: 1,
    hint: 'Check the path or hub name; weights must be safetensors.',
  },
  adapter_missing: { retryable: false, exit: 1, hint: 'Load the adapter before it is used.' },
  out_of_memory: {
    retryable: false,
    exit: 1,
    hint: 'Training: lower --micro-batch-tokens or add --gradient-checkpointing, and --resume. Sampling: fewer --max-new-tokens.',
  },
  prompt_too_long: { retryable: false, exit: 1, hint: 'Raise --max-length, or remove the problem.' },
  guard_failed: {
    retryable: false,
    exit: 1,
    hint: 'A run-time guard found a wrong training state; the last good checkpoint is kept.',
  },
  peer_failed: {
    retryable: true,
    exit: 1,
    hint: 'Another worker of the training group failed; its own message or log says why. Use --resume.',
  },
  non_finite: {
    retryable: false,
    exit: 1,
    hint: 'Lower the learning rate; the last good checkpoint is kept.',
  },
  step_out_of_order: { retryable: false, exit: 1, hint: 'Resume from the last checkpoint.' },
  http_failed: { retryable: true, exit: 1, hint: 'Check the server and its address.' },
  http_refused: { retryable: false, exit: 1, hint: 'Correct what the server names in the message.' },
  internal: { retryable: false, exit: 1, hint: 'This is a bug in Elenchus; please report it.' },
} as const satisfies Record<string, { retryable: boolean; exit: number; hint: string }>

export type ErrorCode = keyof typeof ERROR_CODES

export interface ErrorOptions {
  /** What to do; the code's own hint if absent. */
  readonly hint?: string
  /** Machine-readable facts: paths, lines, versions, counts. */
  readonly details?: Readonly<Record<string, unknown>>
  readonly cause?: unknown
}

const BRAND = Symbol.for('elenchus.error')

/**
 * Every failure that Elenchus raises on purpose. `message` says what, where and why; `hint` what to do.
 * Recognise it with {@link ElenchusError.is}, which also works across duplicate copies of the package.
 */
export class ElenchusError extends Error {
  readonly code: ErrorCode
  readonly retryable: boolean
  readonly hint: string
  readonly details: Readonly<Record<string, unknown>>
  readonly [BRAND] = true

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'ElenchusError'
    this.code = code
    this.retryable = ERROR_CODES[code].retryable
    this.hint = options.hint ?? ERROR_CODES[code].hint
    this.details = options.details ?? {}
  }

  /** The process exit status that the command line uses for this failure. */
  get exitCode(): number {
    return ERROR_CODES[this.code].exit
  }

  static is(value: unknown): value is ElenchusError {
    return typeof value === 'object' && value !== null && BRAND in value
  }
}

/** Failures of a worker, not of the work: another worker, or the next start of this one, can do it. */
const WORKER_FAILURES: ReadonlySet<string> = new Set([
  'worker_died',
  'worker_stalled',
  'worker_start_failed',
  'protocol_violation',
] satisfies ErrorCode[])

export function isWorkerFailure(error: unknown): error is ElenchusError {
  return ElenchusError.is(error) && WORKER_FAILURES.has(error.code)
}

/** Whether a string is one of our codes (a worker of another version may send one we do not know). */
export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERROR_CODES, value)
}

/**
 * Throws if a signal was aborted: its reason where that is one of our errors, else `cancelled`.
 * A plain `controller.abort()` of an embedder would otherwise surface as a DOMException without code or hint.
 */
export function throwIfCancelled(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted !== true) return
  const reason: unknown = signal.reason
  throw ElenchusError.is(reason) ? reason : new ElenchusError('cancelled', `${what} was cancelled.`)
}
