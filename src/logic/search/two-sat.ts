import type { Clause, Literal } from './clauses.ts'

/**
 * Whether clauses of at most two literals have a model, by the strongly connected components of the implication
 * graph (Aspvall, Plass and Tarjan 1979): "A or B" is not-A -> B and not-B -> A; there is no model exactly if an atom and
 * its denial imply each other. Linear in the number of clauses.
 */
export function isSatisfiable(clauses: readonly Clause[]): boolean {
  const graph = new Graph()
  for (const clause of clauses) {
    const [a, b = a] = clause
    if (a === undefined || b === undefined) return false
    const first = graph.node(a)
    const second = graph.node(b)
    graph.add(opposite(first), second)
    graph.add(opposite(second), first)
  }
  const component = graph.components()
  for (let node = 0; node < component.length; node += 2) {
    if (component[node] === component[node + 1]) return false
  }
  return true
}

function opposite(node: number): number {
  return node ^ 1
}

class Graph {
  readonly #nodes = new Map<number, number>()
  readonly #edges: number[][] = []

  node({ atom, positive }: Literal): number {
    let node = this.#nodes.get(atom)
    if (node === undefined) {
      node = this.#edges.length
      this.#nodes.set(atom, node)
      this.#edges.push([], [])
    }
    return positive ? node : opposite(node)
  }

  add(from: number, to: number): void {
    this.#edges[from]?.push(to)
  }

  /** The component of each node, by Tarjan's algorithm with a stack of its own (chains may be long). */
  components(): Int32Array {
    const count = this.#edges.length
    const component = new Int32Array(count).fill(-1)
    const order = new Int32Array(count).fill(-1)
    const low = new Int32Array(count)
    const nextEdge = new Int32Array(count)
    const open: number[] = []
    const path: number[] = []
    let visited = 0
    let found = 0
    for (let root = 0; root < count; root += 1) {
      if (order[root] === -1) path.push(root)
      while (path.length > 0) {
        const node = path.at(-1) ?? 0
        if (order[node] === -1) {
          order[node] = low[node] = visited++
          open.push(node)
        }
        const edge = nextEdge[node] ?? 0
        const target = this.#edges[node]?.[edge]
        if (target !== undefined) {
          nextEdge[node] = edge + 1
          if (order[target] === -1) path.push(target)
          else if (component[target] === -1) low[node] = Math.min(low[node] ?? 0, order[target] ?? 0)
          continue
        }
        path.pop()
        const parent = path.at(-1)
        if (parent !== undefined) low[parent] = Math.min(low[parent] ?? 0, low[node] ?? 0)
        if (low[node] === order[node]) {
          let member: number | undefined
          do {
            member = open.pop()
            if (member !== undefined) component[member] = found
          } while (member !== undefined && member !== node)
          found += 1
        }
      }
    }
    return component
  }
}
