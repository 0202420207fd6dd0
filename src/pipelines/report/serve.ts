import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { ElenchusError } from '../../errors.ts'
import { readReport, type ReportOptions } from './read.ts'
import { runVersion } from './scan.ts'
import { reportPage } from './write.ts'

export interface ReportServer extends AsyncDisposable {
  /** `http://127.0.0.1:<port>/` */
  readonly url: string
}

const HEADERS = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
} as const

/**
 * Serves the report of a run on loopback only, read anew for each load; the page loads itself again when the
 * run's files change. Ends with the signal or its disposal.
 *
 * @throws ElenchusError `usage` if the port is taken; what {@link readReport} throws of a directory without a run.
 */
export async function serveReport(
  dir: string,
  options: ReportOptions & { readonly port?: number; readonly signal?: AbortSignal } = {},
): Promise<ReportServer> {
  await readReport(dir, options)
  const server = createServer((request, response) => {
    answer(dir, options, request, response).catch((error: unknown) => {
      send(
        response,
        500,
        'text/plain',
        ElenchusError.is(error) ? `${error.code}: ${error.message}\n` : 'failed\n',
      )
    })
  })
  await listen(server, options.port ?? 0)
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  options.signal?.addEventListener('abort', () => void close(), { once: true })
  return { url: `http://127.0.0.1:${portOf(server)}/`, [Symbol.asyncDispose]: close }
}

function portOf(server: Server): number {
  const address = server.address()
  // A string is a pipe, null is closed: neither can follow listen(port, host).
  if (typeof address !== 'object' || address === null) throw new TypeError('the server has no port')
  return address.port
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch (error) {
    throw new ElenchusError(
      'usage',
      `Port ${port} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      {
        hint: 'Name another with --port, or leave it out.',
        cause: error,
      },
    )
  }
}

async function answer(
  dir: string,
  options: ReportOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A page of another site that resolves its name to loopback (DNS rebinding) sends its own name here.
  if (!/^(?:127\.0\.0\.1|localhost)(?::\d+)?$/.test(request.headers.host ?? '')) {
    send(response, 403, 'text/plain', 'This report is served on loopback only.\n')
  } else if (request.method !== 'GET') {
    send(response, 405, 'text/plain', 'GET only.\n')
  } else if (request.url === '/') {
    send(
      response,
      200,
      'text/html; charset=utf-8',
      reportPage(await readReport(dir, options), { live: true }),
    )
  } else if (request.url === '/version') {
    send(response, 200, 'text/plain', await runVersion(dir))
  } else {
    send(response, 404, 'text/plain', 'Not here.\n')
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { ...HEADERS, 'content-type': type }).end(body)
}
