import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** What the tests use of playwright-core, whose own types need those of the DOM in the whole program. */
export interface Locator {
  innerText(): Promise<string>
  click(): Promise<void>
  count(): Promise<number>
  first(): Locator
  all(): Promise<Locator[]>
}
export interface Page {
  on(event: 'console', listener: (message: { type(): string; text(): string }) => void): void
  on(event: 'pageerror', listener: (error: Error) => void): void
  goto(url: string): Promise<unknown>
  reload(): Promise<unknown>
  locator(selector: string): Locator
  selectOption(selector: string, value: string): Promise<unknown>
  /** JavaScript as text: it runs in the page, not here. */
  evaluate(expression: string): Promise<unknown>
  waitForFunction(expression: string): Promise<unknown>
}
export interface PageOptions {
  readonly colorScheme?: 'light' | 'dark'
  readonly viewport?: { readonly width: number; readonly height: number }
}
export interface Browser {
  newPage(options: PageOptions): Promise<Page>
  close(): Promise<void>
}

const require = createRequire(import.meta.url)

/** Of a Chromium on this machine; null, said on the test's output, where there is none. */
export function findChromium(): string | null {
  const given = process.env['ELENCHUS_CHROMIUM']
  const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  const path = [...(given === undefined ? [] : [given]), ...places].find((each) => existsSync(each))
  if (path === undefined) {
    console.warn('skipped: there is no Chromium (install one, or set ELENCHUS_CHROMIUM to its path)')
  }
  return path ?? null
}

export async function launchChromium(executablePath: string): Promise<Browser> {
  const { chromium } = require('playwright-core') as {
    chromium: { launch(options: object): Promise<Browser> }
  }
  return chromium.launch({ executablePath, args: ['--no-sandbox'] })
}

/** Violations of axe-core's rules on the page as it stands, as "rule: element". */
export async function accessibilityViolations(page: Page): Promise<unknown> {
  await page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'))
  return page.evaluate(
    "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html))",
  )
}
