import { embeddedJson, html, joined, raw } from './html.ts'
import type { Report } from './report.ts'
import { resultsSection } from './sections/results.ts'
import { headline, runSection } from './sections/run.ts'
import { calibrationSection, curvesSection, samplesSection } from './sections/training.ts'
import { viewerSection } from './sections/viewer.ts'
import { STYLE } from './style.ts'
import { SCRIPT } from './viewer-script.ts'

export interface PageOptions {
  /** SHA-256 of a text, in base64: for the content security policy. */
  readonly sha256: (text: string) => string
  /** Served by `--serve`: the page asks `version` now and then and loads itself again when it changes. @default false */
  readonly live?: boolean
}

/**
 * The report as one HTML file that needs nothing else. Everything of the run is text to it: escaped in the
 * page, and set as text content by the viewer. The policy in its head lets only its own script run.
 */
export function renderPage(report: Report, { sha256, live = false }: PageOptions): string {
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${sha256(SCRIPT)}'`,
    `style-src 'sha256-${sha256(STYLE)}'`,
    'img-src data:',
    ...(live ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  // The two elements whose text is hashed are written as they are: a formatter must not touch what is in them.
  const page = html`<!doctype html>
    <html lang="en" ${live ? raw(' data-live="true"') : null}>
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="referrer" content="no-referrer" />
        <link rel="icon" href="data:," />
        <title>${report.run.name} · Elenchus</title>
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        ${headline(report)}
        <main>
          ${joined([
            resultsSection(report),
            curvesSection(report),
            samplesSection(report),
            calibrationSection(report),
            viewerSection(report),
            runSection(report),
          ])}
        </main>
        <script type="application/json" id="data">
          ${embeddedJson(report.viewer)}
        </script>
        ${raw(`<script>${SCRIPT}</script>`)}
      </body>
    </html> `
  return page.toString()
}
