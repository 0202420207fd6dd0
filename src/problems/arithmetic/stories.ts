import type { Rng } from '../../random.ts'
import type { ArithmeticStep } from './question.ts'

/** Sizes of the numbers in a story. */
export interface Limits {
  /** Largest number that a question states. */
  readonly maxOperand: number
  /** Largest result of a step. */
  readonly maxResult: number
}

/** A question with its solution. */
export interface Story {
  readonly text: string
  readonly steps: readonly ArithmeticStep[]
}

const PEOPLE = [
  ['Ana', 'she'],
  ['Ben', 'he'],
  ['Cleo', 'she'],
  ['Dan', 'he'],
  ['Eva', 'she'],
  ['Finn', 'he'],
] as const
const ITEMS = ['apples', 'books', 'cards', 'coins', 'marbles', 'pencils', 'shells', 'stamps'] as const

/** The state of a story as it is told. */
interface Telling {
  readonly rng: Rng
  readonly limits: Limits
  readonly name: string
  readonly pronoun: string
  readonly friend: string
  readonly item: string
  readonly sentences: string[]
  readonly steps: ArithmeticStep[]
  total: number
}

/** Adds its sentences and steps to a story; false if the numbers do not allow it. */
type Scene = (telling: Telling) => boolean

/**
 * A story with a given number of steps, or null when the drawn numbers came to nothing (draw again). Each
 * step takes the result of the one before; results are positive integers.
 */
export function tellStory(steps: number, limits: Limits, rng: Rng): Story | null {
  const [[name, pronoun] = PEOPLE[0], [friend] = PEOPLE[1]] = rng.shuffle(PEOPLE)
  const telling: Telling = {
    rng,
    limits,
    name,
    pronoun,
    friend,
    item: rng.pick(ITEMS),
    sentences: [],
    steps: [],
    total: 0,
  }
  const start = rng.pick(STARTS)
  const remaining = steps - start.steps
  const ending = rng.pick(remaining > 0 ? ENDINGS : ENDINGS.slice(0, 1))
  const middle = remaining - ending.steps
  if (middle < 0 || !start.tell(telling)) return null
  for (let step = 0; step < middle; step++) {
    if (!rng.pick(EVENTS)(telling)) return null
  }
  return ending.tell(telling) ? { text: telling.sentences.join(' '), steps: telling.steps } : null
}

const STARTS: readonly { readonly steps: number; readonly tell: Scene }[] = [
  {
    steps: 0,
    tell: (t) => {
      t.total = operand(t)
      t.sentences.push(`${t.name} has ${t.total} ${t.item}.`)
      return true
    },
  },
  {
    steps: 1,
    tell: (t) => {
      const [boxes, each] = [operand(t), operand(t)]
      t.total = boxes
      t.sentences.push(`${t.name} has ${boxes} boxes with ${each} ${t.item} in each box.`)
      return take(t, '*', each, `${boxes} boxes of ${each} ${t.item} hold`)
    },
  },
  {
    steps: 1,
    tell: (t) => {
      const [own, more] = [operand(t), operand(t)]
      t.total = own
      t.sentences.push(`${t.name} has ${own} ${t.item} at home and ${more} ${t.item} at school.`)
      return take(t, '+', more, `At home and at school together, ${t.name} has`)
    },
  },
]

const EVENTS: readonly Scene[] = [
  (t) => {
    const more = operand(t)
    t.sentences.push(`Then ${t.pronoun} buys ${more} more ${t.item}.`)
    return take(t, '+', more, `After buying ${more} more, ${t.name} has`)
  },
  (t) => {
    const more = operand(t)
    t.sentences.push(`${t.friend} gives ${t.name} ${more} ${t.item}.`)
    return take(t, '+', more, `With the ${more} from ${t.friend}, ${t.name} has`)
  },
  (t) => {
    const less = operand(t)
    t.sentences.push(`Then ${t.pronoun} loses ${less} ${t.item}.`)
    return take(t, '-', less, `After losing ${less}, ${t.name} still has`)
  },
  (t) => {
    const less = operand(t)
    t.sentences.push(`${t.name} gives ${less} ${t.item} to ${t.friend}.`)
    return take(t, '-', less, `After giving ${less} to ${t.friend}, ${t.name} has`)
  },
  (t) => {
    const times = 2 + t.rng.int(4)
    t.sentences.push(`A month later ${t.pronoun} has ${times} times as many ${t.item}.`)
    return take(t, '*', times, `With ${times} times as many, ${t.name} has`)
  },
  (t) => {
    const people = 2 + t.rng.int(4)
    t.sentences.push(`${t.name} splits the ${t.item} into ${people} equal parts and keeps 1 part.`)
    return take(t, '/', people, `One of ${people} equal parts is`)
  },
]

const ENDINGS: readonly { readonly steps: number; readonly tell: Scene }[] = [
  {
    steps: 0,
    tell: (t) => {
      t.sentences.push(`How many ${t.item} does ${t.name} have now?`)
      // A question whose answer stands in its first sentence is none.
      return t.steps.length > 0
    },
  },
  {
    steps: 1,
    tell: (t) => {
      const price = operand(t)
      t.sentences.push(
        `${t.name} sells all of them for $${price} each. How many dollars does ${t.pronoun} get?`,
      )
      return take(t, '*', price, `At $${price} each, ${t.name} gets`, 'dollars')
    },
  },
  {
    steps: 1,
    tell: (t) => {
      const size = operand(t)
      t.sentences.push(
        `${t.name} puts all of them into bags of ${size}. How many bags does ${t.pronoun} fill?`,
      )
      return take(t, '/', size, `In bags of ${size}, ${t.name} fills`, 'bags')
    },
  },
]

/** At least 2: a 1 would make a step that changes nothing, or two numbers that cannot be told apart. */
function operand({ rng, limits }: Telling): number {
  return 2 + rng.int(limits.maxOperand - 1)
}

/** Takes one step on the total; false if the result is no new positive integer within the limits. */
function take(
  t: Telling,
  operator: ArithmeticStep['operator'],
  right: number,
  lead: string,
  unit: string = t.item,
): boolean {
  const left = t.total
  const result = { '+': left + right, '-': left - right, '*': left * right, '/': left / right }[operator]
  if (!Number.isInteger(result) || result < 1 || result > t.limits.maxResult) return false
  // A number that was reached before would undo what lies between ("4 times as many", "4 equal parts").
  if (result === left || t.steps.some((step) => step.left === result || step.result === result)) return false
  t.steps.push({ lead, left, operator, right, result, unit })
  t.total = result
  return true
}
