import { Context, curveKeyPair, Reply } from 'zeromq'
import type { CurveKeys } from './connection-file.ts'

/** Where ZeroMQ asks, for every connection of its context, whether a key is welcome (ZAP, RFC 27). */
const ZAP_ENDPOINT = 'inproc://zeromq.zap.01'
const Z85 = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

/** What a socket needs to be a CURVE server that only we may connect to. */
export interface CurveServerOptions {
  readonly context: Context
  readonly curveServer: true
  readonly curveSecretKey: string
  readonly zapDomain: string
}

/**
 * The keys of one encrypted socket. A peer must know the server's public key to be answered at all, and
 * hold one of the pairs that were made for our launches to be let in.
 */
export class CurveGate implements AsyncDisposable {
  readonly #context = new Context()
  readonly #server = curveKeyPair()
  readonly #admitted = new Set<string>()
  readonly #zap: Reply
  #answering: Promise<void> = Promise.resolve()

  private constructor() {
    this.#zap = new Reply({ context: this.#context, linger: 0 })
  }

  static async open(): Promise<CurveGate> {
    const gate = new CurveGate()
    await gate.#zap.bind(ZAP_ENDPOINT)
    gate.#answering = gate.#answer()
    return gate
  }

  get options(): CurveServerOptions {
    return {
      context: this.#context,
      curveServer: true,
      curveSecretKey: this.#server.secretKey,
      zapDomain: 'elenchus',
    }
  }

  /** A new pair of keys for the ranks of one launch. */
  admit(): CurveKeys {
    const { publicKey, secretKey } = curveKeyPair()
    this.#admitted.add(publicKey)
    return { serverKey: this.#server.publicKey, publicKey, secretKey }
  }

  async #answer(): Promise<void> {
    for await (const [version, id, , , , mechanism, key] of this.#zap) {
      const known = String(mechanism) === 'CURVE' && key?.length === 32 && this.#admitted.has(encodeZ85(key))
      const verdict = known ? ['200', 'OK'] : ['400', 'The key is of no launch.']
      await this.#zap.send([version ?? '1.0', id ?? '', ...verdict, '', ''])
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#zap.close()
    await this.#answering
  }
}

/** ZeroMQ's text form of binary keys: five characters for every four bytes. */
function encodeZ85(bytes: Buffer): string {
  let text = ''
  for (let offset = 0; offset < bytes.length; offset += 4) {
    const value = bytes.readUInt32BE(offset)
    for (let power = 85 ** 4; power >= 1; power /= 85) text += Z85[Math.floor(value / power) % 85]
  }
  return text
}
