import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { JUDGE_CODES } from '../../src/logic/checker/codes.ts'
import { OPTION_NAMES } from '../../src/logic/checker/options.ts'
import { CLAIM_MODES } from '../../src/logic/checker/step.ts'
import { ENTAILMENTS } from '../../src/logic/truth.ts'
import { verifyProof } from '../../src/traces/verify.ts'

const DOC = readFileSync(resolve(import.meta.dirname, '../../docs/judge.md'), 'utf8')

interface Example {
  readonly heading: string
  readonly text: string
}

const EXAMPLES: readonly Example[] = DOC.split(/^##+ /m).flatMap((section) =>
  [...section.matchAll(/^```judge\n([^]*?)^```/gm)].map((match) => ({
    heading: section.split('\n')[0] ?? '',
    text: match[1] ?? '',
  })),
)

/** The value of a `Name: value` line of an example's head. */
function field(head: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.*)$`, 'm').exec(head)?.[1]
}

/** What an example says of each step, and what the judge says. */
function compare(example: string): { said: readonly string[]; found: readonly string[] } {
  const [head = '', body = ''] = example.split('Proof:\n')
  const premises = [...head.matchAll(/^(.*) \[\d+\]$/gm)].map((match) => match[1] ?? '')
  const conclusion = field(head, 'Query') ?? ''
  const formulas = head.startsWith('Premises (formulas):')
  const problem = {
    premises,
    conclusion,
    ...(formulas ? { premises_fol: premises, conclusion_fol: conclusion } : {}),
    entailment: ENTAILMENTS.find((entailment) => entailment === field(head, 'Entailment')),
  }
  const lines = body.split('\n')
  const completion = lines.filter((line) => !line.startsWith('#')).join('\n')
  const claims = CLAIM_MODES.find((mode) => mode === field(head, 'Claims')) ?? 'required'
  const trace = verifyProof(problem, completion, { claims })
  const steps = trace.steps.map((step) =>
    [step.code ?? 'valid', ...(step.notes ?? []).map((note) => note.code)].join(', '),
  )
  const verdict = trace.trace_code ?? (trace.trace_valid ? 'valid' : 'not valid')
  return {
    said: lines.filter((line) => line.startsWith('# ')).map((line) => line.slice(2)),
    found: [...steps, `trace: ${verdict}`],
  }
}

describe('docs/judge.md', () => {
  test.each(EXAMPLES)('the example under $heading', ({ text }) => {
    const { said, found } = compare(text)
    expect(found).toEqual(said)
  })

  test.each(Object.keys(JUDGE_CODES))('the code %s has an example that shows it', (code) => {
    const example = EXAMPLES.find(({ heading }) => heading === `\`${code}\``)
    expect(compare(example?.text ?? '').found.join('\n')).toContain(code)
  })

  test.each(OPTION_NAMES)('the option %s is in the table', (name) => {
    expect(DOC).toMatch(new RegExp(`^\\| .*\`${name}\``, 'm'))
  })
})
