/** What `elenchus doctor` says of one part of the environment. */
export interface Finding {
  readonly name: string
  /** `error`: runs fail; `warning`: runs work, but not as they could; `note`: nothing to be done. */
  readonly status: 'ok' | 'note' | 'warning' | 'error'
  readonly message: string
  /** What to do; with every warning and error. */
  readonly fix?: string
  /** The same facts for programs. */
  readonly details?: Readonly<Record<string, unknown>>
}

export interface Diagnosis {
  /** Nothing stands in the way of a run. */
  readonly ready: boolean
  readonly findings: readonly Finding[]
}
