import { ElenchusError } from '../../errors.ts'
import type { Entailment, Label } from '../../logic/truth.ts'
import { deriveSeed, Rng } from '../../random.ts'
import { renderProof, type Proof, type ProofStep } from '../gold.ts'
import type { Problem } from '../problem.ts'
import { ontologyKey, type Rule } from './ontology.ts'
import { orderPremises, type Order, type Premise } from './order.ts'
import { type Fact, sketchProblem, type Shape, type Sketch } from './sketch.ts'
import type { RuleType } from './twist.ts'
import { VOCABULARIES, type Ontology } from './vocabulary.ts'
import { wordCompound, wordFact, wordRule, type Forms } from './wording.ts'

/**
 * Splits never share an ontology, whatever their seeds, counts and other settings: a hash of the rule set
 * decides to which split an ontology belongs.
 */
export const SPLITS = ['sft', 'train', 'dev', 'held_out'] as const
export type Split = (typeof SPLITS)[number]

export interface GeneratorOptions {
  readonly count: number
  /** Any safe integer. Problem i does not depend on `count`. */
  readonly seed: number
  readonly split: Split
  /** Numbers of modus ponens steps from the subject's fact to the queried property; each equally often. */
  readonly hops: readonly number[]
  /** Each equally often: their counts differ by one at most. @default ['TRUE', 'FALSE'] */
  readonly labels?: readonly Label[]
  /** What proofs need; each equally often. One place of a proof needs it, all others are modus ponens. @default ['modus_ponens'] */
  readonly rules?: readonly RuleType[]
  /** @default 'every' */
  readonly forms?: Forms
  /** @default 'random' */
  readonly order?: Order
  /** @default 'fictional' */
  readonly ontology?: Ontology
  /**
   * Rules beside the subject's own chain. First come decoys, chains of other classes: one that ends in the queried
   * property with the opposite polarity, and a second one if UNKNOWN is among the labels. They grow up to `hops` rules
   * each; what is left become branches that lead nowhere. Short decoys can be told from the subject's
   * chain by their length (and, in the orders that are not random, by their place); without any, the label can be
   * read off the one rule that names the property. @default 2
   */
  readonly distractorRules?: number
  /** Facts beside the one that starts the chain: of the subject, and of others. @default 0 */
  readonly distractorFacts?: number
  /** Start of every `problem_id`. @default the split */
  readonly name?: string
}

/** Draws for one problem before the settings are held to admit no further one. */
const MAX_DRAWS = 2000

const ENTAILMENT: Readonly<Record<Label, Entailment>> = {
  TRUE: 'proved',
  FALSE: 'refuted',
  UNKNOWN: 'unknown',
}

/**
 * PrOntoQA-style problems with their gold proofs: distinct, deterministic, and without a shortcut from the
 * surface to the label (see {@link sketchProblem}). The query is negated half of the time.
 *
 * The proof of an UNKNOWN problem follows the subject's rules to their end and then says that nothing
 * decides the query; `depth` is left out there, as there is no proof whose length it could be.
 *
 * @throws ElenchusError `config_invalid` if the settings contradict each other, or admit fewer problems than asked for.
 */
export function generateProblems(options: GeneratorOptions): Problem[] {
  const settings = completed(options)
  const problems: Problem[] = []
  const seen = new Set<string>()
  const { labels, hops, rules } = settings
  for (let index = 0; index < settings.count; index++) {
    // Every run of `labels.length` problems has each label once, in an order that its place does not betray.
    const block = Math.floor(index / labels.length)
    const label = inBlock(settings, 'labels', block, labels)[index % labels.length]!
    const sameLabels = Math.floor(block / hops.length)
    const sameHops = inBlock(settings, 'hops', sameLabels, hops)
    const sameRules = inBlock(settings, 'rules', Math.floor(sameLabels / rules.length), rules)
    const [length, rule] = [sameHops[block % hops.length]!, sameRules[sameLabels % rules.length]!]
    problems.push(nextProblem(settings, index, { label, hops: length, rule }, seen))
  }
  return problems
}

type Settings = Required<GeneratorOptions>

function completed(options: GeneratorOptions): Settings {
  const settings: Settings = {
    labels: ['TRUE', 'FALSE'],
    rules: ['modus_ponens'],
    forms: 'every',
    order: 'random',
    ontology: 'fictional',
    distractorRules: 2,
    distractorFacts: 0,
    name: options.split,
    ...options,
  }
  const { labels, hops, rules, distractorRules } = settings
  const refuse = (message: string): never => {
    throw new ElenchusError('config_invalid', message)
  }
  if (!isCount(settings.count)) refuse(`"count" is a number of problems, not ${settings.count}.`)
  if (!hops.every((value) => Number.isInteger(value) && value > 0) || hops.length === 0) {
    refuse(`"hops" lists positive integers, not [${hops.join(', ')}].`)
  }
  if (labels.length === 0 || new Set(labels).size < labels.length) {
    refuse(`"labels" lists each label once, not [${labels.join(', ')}].`)
  }
  if (rules.length === 0 || new Set(rules).size < rules.length) {
    refuse(`"rules" lists each rule once, not [${rules.join(', ')}].`)
  }
  if (!isCount(distractorRules)) refuse(`"distractor_rules" is a number of rules, not ${distractorRules}.`)
  if (!isCount(settings.distractorFacts)) {
    refuse(`"distractor_facts" is a number of facts, not ${settings.distractorFacts}.`)
  }
  if (labels.includes('UNKNOWN') && distractorRules < 2) {
    refuse(
      `The label UNKNOWN needs "distractor_rules" of at least 2, not ${distractorRules}: otherwise the queried ` +
        'property would be missing from the rules, and its absence would give the label away.',
    )
  }
  return settings
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

/** The values in an order of their own for each block. */
function inBlock<T>(settings: Settings, purpose: string, block: number, values: readonly T[]): T[] {
  return new Rng(deriveSeed(settings.seed, purpose, settings.split, block)).shuffle(values)
}

function nextProblem(
  settings: Settings,
  index: number,
  asked: Pick<Shape, 'label' | 'hops' | 'rule'>,
  seen: Set<string>,
): Problem {
  const rng = new Rng(deriveSeed(settings.seed, 'problem', settings.split, index))
  const shape: Shape = {
    ...asked,
    decoys: Math.min(settings.distractorRules, settings.labels.includes('UNKNOWN') ? 2 : 1),
    distractorRules: settings.distractorRules,
    distractorFacts: settings.distractorFacts,
  }
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const sketch = sketchProblem(rng, shape, VOCABULARIES[settings.ontology])
    if (sketch === undefined) continue
    const key = ontologyKey(sketch.ontology)
    if (splitOf(key) !== settings.split) continue
    const premises = orderPremises(sketch, settings.order, rng)
    const conclusion = wordFact(sketch.query)
    const identity = `${key}|${sketch.facts.map(wordFact).sort().join(' ')}|${conclusion}`
    if (seen.has(identity)) continue
    seen.add(identity)
    const id = `${settings.name}-${settings.seed}-${String(index).padStart(5, '0')}`
    return toProblem(id, sketch, premises, conclusion, (premise) =>
      'fact' in premise ? wordFact(premise.fact) : wordRule(premise.rule, settings.forms, rng),
    )
  }
  throw new ElenchusError(
    'config_invalid',
    `No further distinct problem with ${asked.hops} hops, ${settings.distractorRules} distractor rules and ` +
      `${settings.distractorFacts} distractor facts was found in the ontology "${settings.ontology}" for the split ` +
      `"${settings.split}" (${MAX_DRAWS} draws, after ${seen.size} problems).`,
    { hint: 'Ask for fewer problems, fewer hops or fewer distractors, or take the ontology "fictional".' },
  )
}

/** The split to which every problem over this rule set belongs. */
function splitOf(key: string): Split {
  return SPLITS[deriveSeed(0, 'ontology', key) % SPLITS.length]!
}

function toProblem(
  problemId: string,
  sketch: Sketch,
  premises: readonly Premise[],
  conclusion: string,
  word: (premise: Premise) => string,
): Problem {
  const sentences = { premises: premises.map(word), conclusion }
  return {
    problem_id: problemId,
    ...sentences,
    label: sketch.label,
    ...(sketch.label === 'UNKNOWN' ? {} : { depth: sketch.ontology.tracks[0]!.length }),
    entailment: ENTAILMENT[sketch.label],
    gold: renderProof(sentences, proofOf(sketch, premises)),
  }
}

/** Modus ponens along the subject's own track, with what a compound premise needs before or after it. */
function proofOf(sketch: Sketch, premises: readonly Premise[]): Proof {
  const { subject } = sketch.query
  const steps: ProofStep[] = []
  const line = (of: Fact | Rule): number =>
    premises.findIndex((premise) => ('fact' in premise ? premise.fact : premise.rule) === of)
  const derive = (option: string, args: ProofStep['args'], claim: string): number => {
    steps.push({ option, args, claim })
    return premises.length + steps.length - 1
  }
  const [start, ...facts] = sketch.facts
  let current = line(start)
  if (start.or !== undefined) {
    const denial = facts.find(({ denied }) => denied === true) ?? start
    const claim = wordFact({ subject, predicate: start.predicate })
    current = derive('DISJUNCTIVE_SYLLOGISM', [current, line(denial)], claim)
  }
  let { predicate } = start
  for (const rule of sketch.ontology.tracks[0]!) {
    const { condition, besides } = rule
    if (condition !== undefined) {
      const other = facts.find((fact) => fact.predicate === condition.predicate)
      const claim = wordCompound(subject, predicate, condition.joined, condition.predicate)
      current =
        other !== undefined
          ? derive('AND_INTRO', [current, line(other)], claim)
          : derive('OR_INTRO', [current, 0, wordFact({ subject, predicate: condition.predicate })], claim)
    }
    predicate = rule.predicate
    const claim = wordFact({ subject, predicate })
    const whole = besides === undefined ? claim : wordCompound(subject, besides, 'and', predicate)
    current = derive('MODUS_PONENS', [current, line(rule)], whole)
    if (besides !== undefined) current = derive('AND_ELIM', [current, 1], claim)
  }
  return { steps, label: sketch.label, decidedBy: sketch.label === 'UNKNOWN' ? undefined : current }
}
