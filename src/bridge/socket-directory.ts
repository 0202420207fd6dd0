import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The kernel's limit for the path of a socket, its terminating zero included, on every system we run on. */
const LONGEST_SOCKET_PATH = 104

/**
 * A private directory for a group's socket and connection files. It is short, because socket paths are
 * limited, and removed on disposal or at the process's exit: ZeroMQ leaves its socket files behind.
 */
export class SocketDirectory {
  readonly path: string
  readonly #remove = (): void => rmSync(this.path, { recursive: true, force: true })

  private constructor(path: string) {
    this.path = path
    process.once('exit', this.#remove)
  }

  /** Creates the directory, mode 0700, in the system's temporary folder or, if that is too deep, in `/tmp`. */
  static async create(): Promise<SocketDirectory> {
    const name = 'elenchus-XXXXXX/s'
    const root = Buffer.byteLength(join(tmpdir(), name)) < LONGEST_SOCKET_PATH ? tmpdir() : '/tmp'
    return new SocketDirectory(await mkdtemp(join(root, 'elenchus-')))
  }

  get endpoint(): string {
    return `ipc://${join(this.path, 's')}`
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#remove)
    this.#remove()
  }
}
