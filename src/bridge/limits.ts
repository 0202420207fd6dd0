/** How long a worker may take for what, in seconds. Every limit ends in a typed error, never in a hang. */
export interface Limits {
  /** From the start of the process to its greeting: interpreter and first imports. */
  readonly startS: number
  /** Without any message from a worker whose process lives; a long C call may hold its socket thread up. */
  readonly silenceS: number
  /** With the connection lost although the process lives: stopped, or the network is gone. */
  readonly unreachableS: number
  /** From sending a request to its acceptance; requests are repeated meanwhile. */
  readonly acceptS: number
  /** Without progress of the compute loop, by the phase that the worker reports. */
  readonly phaseS: Readonly<Record<string, number>>
  /** The same for a phase that `phaseS` does not name. */
  readonly otherPhaseS: number
  /** A request's deadline where the caller gives none, counted from sending it. */
  readonly requestS: number
  /** From `bye` to the end of the process, before it is killed. */
  readonly goodbyeS: number
}

export const DEFAULT_LIMITS: Limits = {
  startS: 180,
  silenceS: 60,
  unreachableS: 10,
  acceptS: 60,
  phaseS: { import: 180, load: 900, first_step: 900, step: 300 },
  otherPhaseS: 300,
  requestS: 24 * 3600,
  goodbyeS: 5,
}
