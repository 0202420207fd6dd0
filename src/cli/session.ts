import { ElenchusError } from '../errors.ts'
import type { EventSink } from '../runs/events.ts'
import { createProgress } from './progress.ts'

/** What a command gets: where events go, when to stop, and how to print its result. */
export interface Session {
  readonly events: EventSink
  readonly signal: AbortSignal
  /** Prints the result on stdout: `document` with --json, `text` otherwise. */
  readonly print: (text: string, document: unknown) => void
  /** A line on stderr for the person who watches. */
  readonly note: (text: string) => void
}

export interface OutputOptions {
  readonly json?: boolean
}

/**
 * Runs a command with progress on stderr and the signal ladder: the first Ctrl-C or SIGTERM stops at the
 * next safe point and leaves a run that --resume continues, the second ends the process at once.
 */
export async function withSession<T>(
  options: OutputOptions,
  command: (session: Session) => Promise<T>,
): Promise<T> {
  const controller = new AbortController()
  const progress = createProgress({ json: options.json ?? false })
  const stop = (name: 'SIGINT' | 'SIGTERM'): void => {
    if (controller.signal.aborted) process.exit(name === 'SIGINT' ? 130 : 75)
    progress.note(`stopping (${name}); a second signal stops at once`)
    controller.abort(
      new ElenchusError('cancelled', `Stopped by ${name}. What was written is kept.`, {
        details: { signal: name },
      }),
    )
  }
  const onInterrupt = (): void => stop('SIGINT')
  const onTerminate = (): void => stop('SIGTERM')
  process.on('SIGINT', onInterrupt)
  process.on('SIGTERM', onTerminate)
  try {
    return await command({
      events: progress.events,
      signal: controller.signal,
      note: (text) => progress.note(text),
      print: (text, document) => {
        progress.end()
        process.stdout.write(options.json === true ? `${JSON.stringify(document)}\n` : `${text}\n`)
      },
    })
  } catch (error) {
    // Whoever noticed it, a worker perhaps: the signal was the reason, and decides the exit status.
    throw controller.signal.aborted && ElenchusError.is(error) && error.code === 'cancelled'
      ? controller.signal.reason
      : error
  } finally {
    progress.end()
    process.off('SIGINT', onInterrupt)
    process.off('SIGTERM', onTerminate)
  }
}
