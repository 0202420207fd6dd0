import { timingSafeEqual } from 'node:crypto'
import type { Hello } from './protocol/control.ts'
import { PROTOCOL_VERSION } from './protocol/header.ts'

/** What the greeting of one start of one rank must say. */
export interface Expected {
  readonly token: string
  readonly rank: number
  readonly epoch: number
  readonly worldSize: number
}

/** Why a greeting is refused, for a person; `null` if it is welcome. Tokens are never named. */
export function refusal(hello: Hello, expected: Expected): string | null {
  if (hello.protocol !== PROTOCOL_VERSION) {
    return `The worker speaks protocol ${hello.protocol}, the orchestrator ${PROTOCOL_VERSION}; install the same version of both.`
  }
  const given = Buffer.from(hello.token)
  const wanted = Buffer.from(expected.token)
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    return 'The worker’s token is not that of this launch.'
  }
  for (const [name, said, want] of [
    ['rank', hello.rank, expected.rank],
    ['epoch', hello.epoch, expected.epoch],
    ['world size', hello.world_size, expected.worldSize],
  ] as const) {
    if (said !== want) return `The worker says it has ${name} ${said}; ${want} was started.`
  }
  return null
}
