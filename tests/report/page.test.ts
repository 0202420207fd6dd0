import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createScriptedBackend } from '../../src/backends/scripted.ts'
import { evaluationSchema } from '../../src/config/evaluation.ts'
import { runEvaluation } from '../../src/evaluation/stage.ts'
import { readReport } from '../../src/pipelines/report/read.ts'
import { serveReport } from '../../src/pipelines/report/serve.ts'
import { reportPage } from '../../src/pipelines/report/write.ts'
import { annotateProblems } from '../../src/problems/annotate.ts'
import { generateProblems } from '../../src/problems/generator/generate.ts'
import { renderProofPrompt, renderStep } from '../../src/prompts/proof.ts'
import type { Report } from '../../src/report/report.ts'
import {
  accessibilityViolations,
  type Browser,
  findChromium,
  launchChromium,
  type Page,
  type PageOptions,
} from '../support/chromium.ts'

const HOSTILE = `</script><script>globalThis.owned=1</script><img src=x onerror="globalThis.owned=1">\u2028'"&`

const PROBLEMS = annotateProblems(
  generateProblems({
    hops: [1, 2],
    labels: ['TRUE', 'FALSE'],
    count: 40,
    seed: 1,
    split: 'held_out',
    name: 'x',
  }),
)

let root = ''
let report: Report
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'elenchus-report-'))
  await evaluate('iter0', (index) => index % 4 === 0)
  await evaluate('iter1', (index) => index % 4 !== 0)
  report = await readReport(root)
})
afterAll(() => rm(root, { recursive: true, force: true }))

/** A real evaluation whose model proves some problems and says hostile things about the others. */
async function evaluate(folder: string, proves: (index: number) => boolean): Promise<void> {
  const prompts = new Map(PROBLEMS.map((problem, index) => [renderProofPrompt(problem), index]))
  const backend = createScriptedBackend(({ prompt }) => {
    const index = prompts.get(prompt) ?? -1
    const gold = PROBLEMS[index]?.gold
    if (gold !== undefined && proves(index)) {
      return gold.map(({ thought, action }) => renderStep(thought, action)).join('')
    }
    return `Thought: ${HOSTILE} So Max is red.\nAction: <Option type="MODUS_PONENS" args="[0, 1]" />\n`
  })
  await runEvaluation(
    { backend, events: () => {}, resume: false },
    {
      dir: join(root, 'evaluation', folder),
      config: evaluationSchema.parse({ max_steps: 8, max_thought_tokens: 500, max_new_tokens: 2000 }),
      seed: 1,
      problems: PROBLEMS,
      policy: { kind: 'base', fingerprint: 'scripted' },
    },
  )
}

test('figures are computed from the records', () => {
  expect(report.evaluations.map(({ name, metrics }) => [name, metrics.accuracy.value])).toEqual([
    ['SFT', 0.25],
    ['iteration 1', 0.75],
  ])
  expect(report.comparisons).toMatchObject([
    { a: 'SFT', b: 'iteration 1', of: 'accuracy', comparison: { n: 40, only_a: 10, only_b: 30 } },
    { of: 'trace validity' },
  ])
  expect(report.missing.join(' ')).toContain('Calibration')
})

test('nothing of the run can become markup', () => {
  const page = reportPage(report)
  // Once in the head's policy, never as an element: two scripts (data and ours), no image.
  expect(page.match(/<script/g)).toHaveLength(2)
  expect(page).not.toContain('<img')
  const [, data = ''] = /<script type="application\/json" id="data">([\s\S]*?)<\/script>/.exec(page) ?? []
  expect(JSON.parse(data)).toEqual(report.viewer)
  expect(data).not.toMatch(/[<>&\u2028\u2029]/)
  expect(JSON.stringify(report.viewer)).toContain('globalThis.owned')
  const title = reportPage({ ...report, run: { ...report.run, name: HOSTILE, config: { text: HOSTILE } } })
  expect(title.match(/<script/g)).toHaveLength(2)
  expect(title).not.toContain('<img')
})

test('the stages have their rates, where somebody counted', async () => {
  expect(report.stages.map(({ rates }) => rates)).toEqual([[], []])
  const path = join(root, 'evaluation/iter0/summary.json')
  const stored = await readFile(path, 'utf8')
  const rate = { tokens: 1, seconds: 1, tokens_per_second: 12_345.6, flop: 1, mfu: 0.412 }
  const throughput = {
    device: 'NVIDIA H100 80GB HBM3',
    devices: 1,
    dtype: 'bfloat16',
    peak_flops: 989e12,
    mfu: 0.412,
    generated: rate,
    trained: null,
    scored: { ...rate, mfu: null },
  }
  await writeFile(path, JSON.stringify({ ...(JSON.parse(stored) as object), throughput }))
  try {
    const found = await readReport(root)
    expect(found.stages[0]?.rates).toEqual([
      { work: 'generated', tokens_per_second: 12_345.6, mfu: 0.412 },
      { work: 'scored', tokens_per_second: 12_345.6, mfu: null },
    ])
    expect(reportPage(found)).toContain('generated 12,346 (41.2 %); scored 12,346')
  } finally {
    await writeFile(path, stored)
  }
})

/** A run that has written one whole record, and half of the next; `more` writes the other half. */
async function begunRun(): Promise<{ copy: string; more: () => Promise<void> }> {
  const copy = await mkdtemp(join(tmpdir(), 'elenchus-report-'))
  const [stage, from] = [join(copy, 'evaluation/iter0'), join(root, 'evaluation/iter0')]
  const [first = '', second = ''] = (await readFile(join(from, 'evaluation.jsonl'), 'utf8')).split('\n')
  await mkdir(stage, { recursive: true })
  const manifest = JSON.parse(await readFile(join(from, 'manifest.json'), 'utf8')) as object
  await writeFile(join(stage, 'manifest.json'), JSON.stringify({ ...manifest, state: 'running' }))
  const records = join(stage, 'evaluation.jsonl')
  await writeFile(records, `${first}\n${second.slice(0, 40)}`)
  return { copy, more: () => appendFile(records, `${second.slice(40)}\n`) }
}

test('an unfinished run is reported as far as it got, and says so', async () => {
  const { copy } = await begunRun()
  const partial = await readReport(copy)
  expect(partial.run.state).toBe('interrupted')
  expect(partial.evaluations).toMatchObject([{ complete: false, metrics: { problems: 1 } }])
  expect(reportPage(partial)).toContain('unfinished')
  await rm(copy, { recursive: true })
})

test('a directory without a run is refused', async () => {
  const empty = await mkdtemp(join(tmpdir(), 'elenchus-report-'))
  await expect(readReport(empty)).rejects.toMatchObject({ code: 'file_missing' })
  await rm(empty, { recursive: true })
})

describe('served', () => {
  test('what the run writes meanwhile is on the page that is loaded next', async () => {
    const { copy, more } = await begunRun()
    await using server = await serveReport(copy)
    const records = async (): Promise<unknown[]> => {
      const [, data = ''] =
        /id="data">([\s\S]*?)<\/script>/.exec(await (await fetch(server.url)).text()) ?? []
      return (JSON.parse(data) as { items: unknown[] }).items
    }
    expect(await records()).toHaveLength(1)
    await more()
    expect(await records()).toHaveLength(2)
    await rm(copy, { recursive: true })
  })

  test('on loopback, to names of loopback only, and the version follows the files', async () => {
    await using server = await serveReport(root)
    const page = await fetch(server.url)
    expect(page.headers.get('x-frame-options')).toBe('DENY')
    expect(await page.text()).toContain('data-live="true"')
    const before = await (await fetch(`${server.url}version`)).text()
    await writeFile(join(root, 'evaluation/note.json'), '{}')
    expect(await (await fetch(`${server.url}version`)).text()).not.toBe(before)
    expect((await fetch(`${server.url}../../etc/passwd`)).status).toBe(404)
    expect((await fetch(server.url, { method: 'POST' })).status).toBe(405)
    expect(await statusWithHost(server.url, 'evil.example')).toBe(403)
  })
})

/** The status of a request that claims to be for another host, as after DNS rebinding. */
function statusWithHost(url: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { host } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    }).on('error', reject)
  })
}

const CHROMIUM = findChromium()

describe.skipIf(CHROMIUM === null)('in Chromium', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchChromium(CHROMIUM ?? '')
    await writeFile(join(root, 'report.html'), reportPage(report))
  }, 480_000)
  afterAll(() => browser.close())

  async function open(options: PageOptions = {}): Promise<{ page: Page; errors: string[] }> {
    const page = await browser.newPage(options)
    const errors: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text())
    })
    page.on('pageerror', (error) => errors.push(error.message))
    await page.goto(pathToFileURL(join(root, 'report.html')).href)
    return { page, errors }
  }

  test('renders, filters, keeps hostile text text, and reports no error', { timeout: 60_000 }, async () => {
    const { page, errors } = await open()
    expect(await page.locator('#count').innerText()).toBe('80 of 80 records match; 20 shown.')
    await page.locator('#more').click()
    expect(await page.locator('article').count()).toBe(40)
    await page.selectOption('select[name=source]', 'iteration 1')
    await page.selectOption('select[name=verdict]', 'not valid')
    expect(await page.locator('#count').innerText()).toBe('10 of 80 records match; 10 shown.')
    expect(await page.locator('.step.invalid').first().innerText()).toContain('<img src=x')
    expect(await page.evaluate("'owned' in globalThis")).toBe(false)
    // The filters are in the address: the same view after loading again.
    await page.reload()
    expect(await page.locator('#count').innerText()).toBe('10 of 80 records match; 10 shown.')
    await page.locator('button[type=reset]').click()
    await page.waitForFunction("document.querySelector('#count').textContent.startsWith('80 of 80')")
    expect(errors).toEqual([])
  })

  test('served, it follows the run', { timeout: 60_000 }, async () => {
    const { copy, more } = await begunRun()
    await using server = await serveReport(copy)
    const page = await browser.newPage({})
    await page.goto(server.url)
    expect(await page.locator('#count').innerText()).toContain('1 of 1 records match')
    await more()
    // The page looks every three seconds.
    const count = (): Promise<string> => page.locator('#count').innerText()
    await expect.poll(count, { timeout: 40_000 }).toContain('2 of 2 records match')
    await rm(copy, { recursive: true })
  })

  for (const [name, options] of [
    ['light', {}],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { viewport: { width: 390, height: 800 } }],
  ] as const) {
    test(
      `${name}: no accessibility violation, nothing wider than the screen`,
      { timeout: 60_000 },
      async () => {
        const { page, errors } = await open(options)
        for (const summary of await page.locator('summary').all()) await summary.click()
        expect(await accessibilityViolations(page)).toEqual([])
        const tooWide = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
        expect(tooWide).toBeLessThanOrEqual(0)
        expect(errors).toEqual([])
      },
    )
  }
})
