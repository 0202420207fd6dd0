import type { Action } from '../logic/checker/step.ts'
import { CONCLUDE, NO_ALIASES, resolveOption, type Aliases } from '../logic/checker/options.ts'
import { readAction } from './action.ts'

/** One step as it is written: the Thought without its marker, the Action's payload ('' where there is none). */
export interface WrittenStep {
  readonly thought: string
  readonly action: string
}

/** A written step whose action has been read. */
export interface ParsedStep extends WrittenStep {
  /** Null where the action is missing or cannot be read; `problem` says why. */
  readonly option: Action | null
  readonly problem: string | null
}

const THOUGHT = 'Thought:'
const ACTION = 'Action:'

/**
 * Splits a completion into steps, up to and including the first readable CONCLUDE; text after it does not
 * exist. Every line that starts with `Action:` is a step, and so is a Thought without one. Text that no
 * marker introduces belongs to the Thought that follows it. The cost is linear in the text.
 */
export function parseTrace(completion: string, aliases: Aliases = NO_ALIASES): ParsedStep[] {
  const steps: ParsedStep[] = []
  /** Whether a `Thought:` marker is open, and where text begins that no step has taken yet. */
  let open = false
  let before = ''
  let start = 0
  const take = (end: number): string => {
    const text = completion.slice(start, end).trim()
    const thought = before === '' ? text : `${before}\n${text}`
    before = ''
    return thought
  }
  for (let line = 0; line < completion.length;) {
    const newline = completion.indexOf('\n', line)
    const end = newline < 0 ? completion.length : newline
    const content = skipIndent(completion, line)
    if (completion.startsWith(ACTION, content)) {
      const action = completion.slice(content + ACTION.length, end).trim()
      const step = parseStep({ thought: take(line), action }, aliases)
      steps.push(step)
      if (concludes(step, aliases)) return steps
      open = false
      start = end + 1
    } else if (completion.startsWith(THOUGHT, content)) {
      if (open) steps.push(parseStep({ thought: take(line), action: '' }, aliases))
      else before = take(line)
      open = true
      start = content + THOUGHT.length
    }
    line = end + 1
  }
  if (open) steps.push(parseStep({ thought: take(completion.length), action: '' }, aliases))
  return steps
}

/** Reads the action of one step; an `Action:` marker before it is accepted, as other systems store it. */
export function parseStep({ thought, action }: WrittenStep, aliases: Aliases = NO_ALIASES): ParsedStep {
  if (action === '') return { thought, action, option: null, problem: 'The step has no action.' }
  const payload = action.startsWith(ACTION) ? action.slice(ACTION.length) : action
  const read = readAction(payload)
  if (!read.ok) return { thought, action, option: null, problem: read.problem }
  if (read.trailing && resolveOption(read.action.name, aliases) !== CONCLUDE) {
    return { thought, action, option: null, problem: 'Something follows the action on its line.' }
  }
  return { thought, action, option: read.action, problem: null }
}

/** Whether the step ends its trace. */
export function concludes({ option }: ParsedStep, aliases: Aliases): boolean {
  return option !== null && resolveOption(option.name, aliases) === CONCLUDE
}

function skipIndent(text: string, at: number): number {
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 32 && code !== 9) return at
    at++
  }
}
