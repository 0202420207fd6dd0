import { ElenchusError, isErrorCode, type ErrorCode } from '../errors.ts'
import type { ErrorBody } from './protocol/control.ts'

/** A failure that a worker reports, as our own error. A code we do not know becomes `internal`. */
export function fromErrorBody(body: ErrorBody, context: Readonly<Record<string, unknown>>): ElenchusError {
  const code: ErrorCode = isErrorCode(body.code) ? body.code : 'internal'
  return new ElenchusError(code, code === body.code ? body.message : `${body.code}: ${body.message}`, {
    details: { ...body.details, ...context },
    ...(typeof body.hint === 'string' ? { hint: body.hint } : {}),
  })
}

export function toErrorBody(error: ElenchusError): ErrorBody {
  return {
    code: error.code,
    message: error.message,
    hint: error.hint,
    retryable: error.retryable,
    details: {},
  }
}
