/** Truth value of a conclusion, given its premises, in the open world. FOLIO's "Uncertain" is UNKNOWN. */
export const LABELS = ['TRUE', 'FALSE', 'UNKNOWN'] as const
export type Label = (typeof LABELS)[number]

/** What the premises say of the conclusion; `undecided`: the procedure gave up within its limit. */
export const ENTAILMENTS = ['proved', 'refuted', 'unknown', 'inconsistent', 'undecided'] as const
export type Entailment = (typeof ENTAILMENTS)[number]
