import type { TrainBatch } from '../backend.ts'

type Batch<Kind extends TrainBatch['kind']> = Extract<TrainBatch, { kind: Kind }>

/**
 * A batch as one shard per rank, balanced by tokens. Depends on the batch and the number of ranks alone; a
 * small batch leaves ranks with an empty shard. Rows go anywhere; of a pair graph, whole questions.
 */
export function shardBatch(batch: TrainBatch, ranks: number): readonly TrainBatch[] {
  if (ranks === 1) return [batch]
  switch (batch.kind) {
    case 'sft': {
      const hands = deal(batch.examples, ranks, ({ prompt, completion }) => textCost(prompt + completion))
      return hands.map((hand) => part(batch, { examples: pick(batch.examples, hand) }))
    }
    case 'tokens': {
      const hands = deal(batch.rows, ranks, ({ ids }) => ids.length)
      return hands.map((hand) => part(batch, { rows: pick(batch.rows, hand) }))
    }
    case 'ppo': {
      const hands = deal(batch.samples, ranks, ({ trajectory }) => trajectoryCost(trajectory))
      return hands.map((hand) => part(batch, { samples: pick(batch.samples, hand) }))
    }
    case 'dpo': {
      const questions = questionsOf(batch)
      const hands = deal(questions, ranks, (members) =>
        pick(batch.trajectories, members).reduce((sum, trajectory) => sum + trajectoryCost(trajectory), 0),
      )
      return hands.map((hand) => subGraph(batch, pick(questions, hand).flat()))
    }
  }
}

function part<AnyBatch extends TrainBatch>(batch: AnyBatch, rows: Partial<AnyBatch>): AnyBatch {
  return { ...batch, ...rows }
}

function pick<Item>(items: readonly Item[], indices: readonly number[]): Item[] {
  return indices.map((index) => items[index]!)
}

/** Characters per token, roughly: only the balance depends on it. */
const TOKEN_CHARACTERS = 4

function textCost(text: string): number {
  return Math.ceil(text.length / TOKEN_CHARACTERS)
}

/** Tokens of a prompt and its completion, roughly. */
export function trajectoryCost(trajectory: { readonly prompt: string; readonly ids: Int32Array }): number {
  return textCost(trajectory.prompt) + trajectory.ids.length
}

/**
 * Indices per rank, ascending: the most expensive item first, each to the rank with the least so far
 * (Graham 1969, longest processing time).
 */
export function deal<Item>(
  items: readonly Item[],
  ranks: number,
  costOf: (item: Item) => number,
): number[][] {
  const costs = items.map(costOf)
  const order = [...items.keys()].sort((a, b) => costs[b]! - costs[a]! || a - b)
  const hands = Array.from({ length: ranks }, () => ({ cost: 0, members: [] as number[] }))
  for (const index of order) {
    const least = hands.reduce((best, hand) => (hand.cost < best.cost ? hand : best))
    least.cost += costs[index]!
    least.members.push(index)
  }
  return hands.map(({ members }) => members.sort((a, b) => a - b))
}

/** Trajectories of one prompt, and those that a pair ties to them, together. */
function questionsOf({ trajectories, pairs }: Batch<'dpo'>): readonly (readonly number[])[] {
  const parents = [...trajectories.keys()]
  const rootOf = (index: number): number => {
    let root = index
    while (parents[root] !== root) root = parents[root]!
    return root
  }
  const tie = (a: number, b: number): void => {
    const [first, second] = [rootOf(a), rootOf(b)]
    parents[Math.max(first, second)] = Math.min(first, second)
  }
  const firstOf = new Map<string, number>()
  for (const [index, { prompt }] of trajectories.entries()) {
    const first = firstOf.get(prompt)
    if (first === undefined) firstOf.set(prompt, index)
    else tie(first, index)
  }
  for (const { chosen, rejected } of pairs) tie(chosen, rejected)
  const questions = new Map<number, number[]>()
  for (const index of trajectories.keys()) {
    const root = rootOf(index)
    questions.set(root, [...(questions.get(root) ?? []), index])
  }
  return [...questions.values()]
}

function subGraph(batch: Batch<'dpo'>, unordered: readonly number[]): Batch<'dpo'> {
  const members = [...unordered].sort((a, b) => a - b)
  const places = new Map(members.map((index, place) => [index, place]))
  return {
    ...batch,
    trajectories: pick(batch.trajectories, members),
    referenceSums: Float64Array.from(members, (index) => batch.referenceSums[index]!),
    pairs: batch.pairs.flatMap(({ chosen, rejected }) => {
      const [first, second] = [places.get(chosen), places.get(rejected)]
      return first === undefined || second === undefined ? [] : [{ chosen: first, rejected: second }]
    }),
  }
}
