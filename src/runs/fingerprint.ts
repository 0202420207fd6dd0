import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { ElenchusError } from '../errors.ts'
import { ioError } from './io-error.ts'
import { canonicalJson } from './json.ts'

/** SHA-256 (64 hex digits) of a JSON value; the order of keys does not matter. */
export function fingerprintJson(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex')
}

/** SHA-256 (64 hex digits) of a file's bytes, as `sha256sum` prints it. Streamed: any size. */
export async function fingerprintFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  } catch (error) {
    throw ioError(error, 'read', path)
  }
  return hash.digest('hex')
}

/** Files of a checkpoint that hold its weights a second time. */
const SECOND_COPY = /^consolidated/
/** The name of a blob in Hugging Face's cache is its hash. */
const BLOB = /\/blobs\/([0-9a-f]{64})$/

/**
 * Identifies a model's weights as the worker does (`files.py`): the SHA-256 of their one file, or of the sorted
 * list of several. Null where there is no such folder on this machine.
 */
export async function fingerprintWeights(folder: string): Promise<string | null> {
  const names = await readdir(folder).catch(() => [])
  for (const pattern of [/\.safetensors$/, /^pytorch_model.*\.bin$/]) {
    const files = names.filter((name) => pattern.test(name) && !SECOND_COPY.test(name)).sort()
    const hashes = await Promise.all(files.map((name) => fingerprintBlob(join(folder, name))))
    if (hashes.length === 1) return hashes[0] ?? null
    if (hashes.length > 1) {
      const listing = files.map((name, index) => `${name} ${hashes[index]}\n`).join('')
      return createHash('sha256').update(listing).digest('hex')
    }
  }
  return null
}

async function fingerprintBlob(path: string): Promise<string> {
  const [, hash] = BLOB.exec(await realpath(path)) ?? []
  return hash ?? fingerprintFile(path)
}

/**
 * SHA-256 (64 hex digits) of a folder: of the lines `<sha256>  ./<path>` of all files in it, ordered by
 * the bytes of their paths. Links are followed. The same as
 * `find -L . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum` run inside it.
 *
 * @throws ElenchusError `file_missing` if the folder is missing or holds no file.
 */
export async function fingerprintFolder(path: string): Promise<string> {
  const files = await listFiles(path, '.')
  if (files.length === 0) throw new ElenchusError('file_missing', `The folder ${path} holds no file.`)
  const sorted = files.map((file) => Buffer.from(file)).sort((a, b) => Buffer.compare(a, b))
  const hash = createHash('sha256')
  for (const file of sorted) {
    hash.update(`${await fingerprintFile(join(path, file.toString()))}  ${file.toString()}\n`)
  }
  return hash.digest('hex')
}

/** Paths of all files below the folder, each beginning with `prefix/`. */
async function listFiles(folder: string, prefix: string): Promise<string[]> {
  const files: string[] = []
  try {
    for (const name of await readdir(folder)) {
      const path = join(folder, name)
      const kind = await stat(path)
      if (kind.isDirectory()) files.push(...(await listFiles(path, `${prefix}/${name}`)))
      else if (kind.isFile()) files.push(`${prefix}/${name}`)
    }
  } catch (error) {
    throw ioError(error, 'read', folder)
  }
  return files
}
