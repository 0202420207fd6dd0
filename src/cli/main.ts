#!/usr/bin/env node
import { CommanderError } from 'commander'
import { ElenchusError } from '../errors.ts'
import { normaliseFlags } from './argv.ts'
import { programFor } from './program.ts'
import { refuseTypos } from './typos.ts'

/** Stopped by SIGTERM and resumable: EX_TEMPFAIL, after which a batch system may queue the same command again. */
const TERMINATED = 75

/** Prints what went wrong, where, and what to do; returns the exit status of section "The command line". */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (ElenchusError.is(error)) {
    process.stderr.write(`elenchus: ${error.message}\n`)
    process.stderr.write(
      `  hint: ${error.hint}\n  code: ${error.code}${error.retryable ? ' (a retry may help)' : ''}\n`,
    )
    return error.details['signal'] === 'SIGTERM' && error.code === 'cancelled' ? TERMINATED : error.exitCode
  }
  process.stderr.write(
    `elenchus: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  )
  process.stderr.write('  hint: This is a bug in Elenchus; please report it.\n')
  return 1
}

// Whoever read the output may stop reading (`| head`, a closed terminal): no reason to lose a run.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}

try {
  const argv = normaliseFlags(process.argv)
  const program = await programFor(argv.slice(2))
  refuseTypos(program, argv.slice(2))
  await program.parseAsync(argv)
} catch (error) {
  process.exitCode = report(error)
}
