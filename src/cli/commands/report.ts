import { once } from 'node:events'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { readReport } from '../../pipelines/report/read.ts'
import { serveReport } from '../../pipelines/report/serve.ts'
import { writeReport } from '../../pipelines/report/write.ts'
import { withSession } from '../session.ts'

interface ReportFlags {
  readonly out?: string
  readonly maxRecords: number
  readonly serve?: boolean
  readonly port?: number
  readonly json?: boolean
}

/** `elenchus report`: a run's directory as one HTML page. */
export function reportCommand(): Command {
  return new Command('report')
    .description('write one self-contained HTML page about a run: results, curves, pairs, traces')
    .argument('<run>', 'directory of a run, finished or not')
    .option('--out <file>', 'the page (default: report.html in the run)')
    .option('--max-records <n>', 'traces in the viewer, about', wholeNumber, 300)
    .option('--serve', 'serve the page on loopback and follow the run, instead of writing a file')
    .option('--port <n>', 'port for --serve (default: a free one)', wholeNumber)
    .option('--json', "print the report's data instead of writing a page")
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus report outputs/quickstart/oak\n  elenchus report outputs/quickstart/oak --serve',
    )
    .action(async (run: string, flags: ReportFlags) => {
      await withSession(flags, async ({ print, signal }) => {
        const options = { maxRecords: flags.maxRecords }
        if (flags.serve === true) {
          const { port } = flags
          await using server = await serveReport(run, {
            ...options,
            signal,
            ...(port !== undefined && { port }),
          })
          print(`${server.url} (Ctrl-C ends it)`, { url: server.url })
          if (!signal.aborted) await once(signal, 'abort')
          return
        }
        const report = await readReport(run, options)
        if (flags.json === true) {
          print('', report)
          return
        }
        const path = flags.out ?? join(run, 'report.html')
        await writeReport(report, path)
        print(path, report)
      })
    })
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number')
  return value
}
