import type { EventSink } from '../runs/events.ts'

/** Takes a message, or fields and a message: the calls of pino, which is one. */
export interface LogMethod {
  (message: string): void
  (fields: object, message?: string): void
}

/** Where an embedder wants log lines. Elenchus itself prints nothing. */
export interface Logger {
  readonly trace: LogMethod
  readonly debug: LogMethod
  readonly info: LogMethod
  readonly warn: LogMethod
  readonly error: LogMethod
  readonly fatal: LogMethod
}

/** A sink that writes each event to a logger: progress and workers as `debug`, warnings as `warn`, failures as `error`. */
export function logEvents(logger: Logger): EventSink {
  return (event) => {
    const { stage } = event
    switch (event.type) {
      case 'progress':
        return logger.debug(event, `${stage}: ${event.done} of ${event.total ?? '?'} ${event.unit}`)
      case 'workers': {
        const { starting, busy, idle, down } = event
        return logger.debug(event, `workers: ${starting} starting, ${busy} busy, ${idle} idle, ${down} down`)
      }
      case 'metric':
        return logger.info(event, `${stage}: metrics`)
      case 'warning':
        return logger.warn(event, `${stage}: ${event.message}`)
      case 'stage_started':
        return logger.info(event, `${stage}: started in ${event.dir}`)
      case 'stage_finished':
        return logger.info(event, event.skipped === true ? `${stage}: finished before` : `${stage}: finished`)
      case 'stage_failed':
        return logger.error(event, `${stage}: ${event.message}`)
    }
  }
}
