import type { Formula, FormulaStore } from '../formula.ts'
import { operandsOf, universalRule } from './parts.ts'

/** An implication between two properties of the same individual, each with bound variable 0 open. */
export interface Edge {
  readonly from: Formula
  readonly to: Formula
  /** `canonical` of the premise that says it. */
  readonly rule: number
}

/**
 * The implications that a theory's universal rules say between single properties: "A or B is C and D" gives A -> C, A -> D, B -> C and
 * B -> D, and their contrapositives. A condition with several conjuncts is no single property and gives none.
 */
export class RuleGraph {
  readonly #store: FormulaStore
  readonly #forwards = new Map<number, Edge[]>()
  readonly #contraposed = new Map<number, Edge[]>()

  constructor(store: FormulaStore, premises: readonly Formula[]) {
    this.#store = store
    for (const premise of premises) {
      for (const edge of edgesOf(premise)) {
        append(this.#forwards, edge.from, edge)
        const [from, to] = [store.negation(edge.to), store.negation(edge.from)]
        append(this.#contraposed, from, { from, to, rule: edge.rule })
      }
    }
  }

  /**
   * Whether a universal rule follows from at most `longest` of the premises' rules in a row, for each disjunct of its
   * condition and each conjunct of its consequence; contrapositives do not count (as in the official judge).
   */
  hasRule(rule: Formula, longest: number): boolean {
    const sides = universalRule(rule)
    if (sides === null) return false
    const targets = operandsOf(sides.consequence, 'and')
    return operandsOf(sides.condition, 'or').every((condition) => {
      const reached = new Set<number>()
      let frontier: readonly Formula[] = [condition]
      for (let length = 0; length < longest; length++) {
        const next = frontier
          .flatMap(({ canonical }) => this.#forwards.get(canonical) ?? [])
          .filter(({ to }) => !reached.has(to.canonical))
        for (const { to } of next) reached.add(to.canonical)
        frontier = [...new Set(next.map(({ to }) => to))]
      }
      return targets.every(({ canonical }) => reached.has(canonical))
    })
  }

  /**
   * The edges of a shortest way from a property to another, contrapositives included; empty if they are the same, null if
   * there is none. `isClosed` says of a property that no way leads through it; start and end are not asked about.
   */
  path(
    start: Formula,
    end: Formula,
    isClosed: (property: Formula) => boolean = () => false,
  ): readonly Edge[] | null {
    const cameBy = new Map<number, Edge | null>([[start.canonical, null]])
    const queue = [start]
    for (let at = 0; at < queue.length; at++) {
      const node = queue[at]
      if (node === undefined || node.canonical === end.canonical) break
      if (node !== start && isClosed(node)) continue
      for (const edge of this.#edgesFrom(node)) {
        if (cameBy.has(edge.to.canonical)) continue
        cameBy.set(edge.to.canonical, edge)
        queue.push(edge.to)
      }
    }
    if (!cameBy.has(end.canonical)) return null
    const edges: Edge[] = []
    for (let edge = cameBy.get(end.canonical); edge; edge = cameBy.get(edge.from.canonical)) edges.push(edge)
    return edges.toReversed()
  }

  /** The edges that a rule, a premise or not, says between single properties, contrapositives included. */
  edgesOfRule(rule: Formula): readonly Edge[] {
    const store = this.#store
    return edgesOf(rule).flatMap((edge) => [
      edge,
      { from: store.negation(edge.to), to: store.negation(edge.from), rule: edge.rule },
    ])
  }

  #edgesFrom({ canonical }: Formula): readonly Edge[] {
    const forwards = this.#forwards.get(canonical) ?? []
    const contraposed = this.#contraposed.get(canonical)
    return contraposed === undefined ? forwards : [...forwards, ...contraposed]
  }
}

function edgesOf(rule: Formula): readonly Edge[] {
  const sides = universalRule(rule)
  if (sides === null) return []
  const tos = operandsOf(sides.consequence, 'and')
  return operandsOf(sides.condition, 'or').flatMap((from) =>
    tos.map((to) => ({ from, to, rule: rule.canonical })),
  )
}

function append(edges: Map<number, Edge[]>, from: Formula, edge: Edge): void {
  const known = edges.get(from.canonical)
  if (known === undefined) edges.set(from.canonical, [edge])
  else known.push(edge)
}
