import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { JsonlWriter, readJsonl, writeJsonl } from '../../src/runs/jsonl.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-'))
  path = join(folder, 'records.jsonl')
})
afterEach(() => rm(folder, { recursive: true }))

const schema = z.looseObject({ n: z.number(), items: z.array(z.string()).optional() })

async function collect<T>(records: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const record of records) all.push(record)
  return all
}

async function writeAll(records: readonly unknown[], options = {}): Promise<number> {
  await using writer = await JsonlWriter.open(path, options)
  for (const record of records) await writer.write(record)
  return writer.existing
}

describe('reading', () => {
  test('records, unknown fields kept, blank lines skipped, a missing final newline allowed', async () => {
    await writeFile(path, '\uFEFF{"n":1,"other":"ü"}\r\n\n{"n":2}')
    expect(await collect(readJsonl(path, schema))).toEqual([{ n: 1, other: 'ü' }, { n: 2 }])
    expect(await collect(readJsonl(path))).toEqual([{ n: 1, other: 'ü' }, { n: 2 }])
  })

  test('lines longer than one read, and characters split between reads', async () => {
    const records = [{ n: 1, text: 'é'.repeat(1_500_001) }, { n: 2 }, { n: 3, text: 'x'.repeat(3_000_000) }]
    await writeFile(path, records.map((record) => JSON.stringify(record)).join('\n') + '\n')
    expect(await collect(readJsonl(path, schema))).toEqual(records)
  })

  test.each([
    ['a field of the wrong kind', '{"n":1}\n{"n":2,"items":["a",3]}\n', /:2 .*items\[1\]: .*string/],
    ['a missing field', '{"m":1}\n', /:1 .*n: .*expected number/],
    ['no JSON', '{"n":1}\n\nhello\n', /:3 .*it is not JSON .* begins "hello"/],
    ['a torn last line', '{"n":1}\n{"n":', /:2 .*it is cut off/],
  ])('%s is refused with its line', async (_, content, message) => {
    await writeFile(path, content)
    const reading = collect(readJsonl(path, schema))
    await expect(reading).rejects.toMatchObject({ code: 'record_invalid' })
    await expect(reading).rejects.toThrow(message)
    await expect(reading).rejects.toThrow(path)
  })

  test('bytes that are no text are refused, and the message shows 80 characters at most', async () => {
    await writeFile(path, Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.alloc(1000, 'x')]))
    const error: unknown = await collect(readJsonl(path)).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'record_invalid', details: { path, line: 1 } })
    expect(String(error)).toContain(`${'x'.repeat(78)}"`)
    expect(String(error)).not.toContain('x'.repeat(79))
  })

  test('a missing file and a folder are told apart', async () => {
    await expect(collect(readJsonl(path))).rejects.toMatchObject({ code: 'file_missing' })
    await expect(collect(readJsonl(folder))).rejects.toMatchObject({ code: 'io_failed' })
  })
})

describe('writing', () => {
  test('what is written is read again, in order', async () => {
    const records = Array.from({ length: 1000 }, (_, n) => ({ n }))
    await writeAll(records)
    expect(await collect(readJsonl(path))).toEqual(records)
  })

  test('an existing file is never truncated: refused without resume, continued with it', async () => {
    await writeAll([{ n: 0 }, { n: 1 }])
    await expect(JsonlWriter.open(path)).rejects.toMatchObject({ code: 'run_exists' })
    expect(await writeAll([{ n: 2 }], { resume: true })).toBe(2)
    expect(await collect(readJsonl(path))).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }])
  })

  test.each(['{"n":2', '{"n":2}', '\0\0\0\0'])('resume cuts a torn last line (%j)', async (torn) => {
    await writeFile(path, `{"n":0}\n{"n":1}\n${torn}`)
    expect(await writeAll([{ n: 9 }], { resume: true })).toBe(2)
    expect(await readFile(path, 'utf8')).toBe('{"n":0}\n{"n":1}\n{"n":9}\n')
  })

  test('resume refuses a file that is damaged before its last line, and leaves it alone', async () => {
    const content = '{"n":0}\n{"n":\n{"n":2}\n'
    await writeFile(path, content)
    await expect(JsonlWriter.open(path, { resume: true })).rejects.toMatchObject({ code: 'record_invalid' })
    expect(await readFile(path, 'utf8')).toBe(content)
  })

  test('resume without a file starts one', async () => {
    path = join(folder, 'new', 'records.jsonl')
    expect(await writeAll([{ n: 0 }], { resume: true })).toBe(0)
    expect(await readFile(path, 'utf8')).toBe('{"n":0}\n')
  })

  test('resume keeps records as long as they are wanted', async () => {
    await writeFile(path, '{"n":0}\n{"n":5}\n{"n":1}\n')
    const keepWhile = (record: unknown): boolean => schema.parse(record).n < 3
    expect(await writeAll([], { resume: true, keepWhile })).toBe(1)
    expect(await readFile(path, 'utf8')).toBe('{"n":0}\n')
  })

  test('records reach the disk after 64, or after a second, without flush', async () => {
    await using writer = await JsonlWriter.open(path)
    const lines = async (): Promise<number> => (await readFile(path, 'utf8')).split('\n').length - 1
    // The second 64 come while the first are being synced.
    for (let n = 0; n < 128; n++) await writer.write({ n })
    await vi.waitFor(async () => expect(await lines()).toBe(128), { timeout: 900, interval: 10 })
    await writer.write({ n: 128 })
    await vi.waitFor(async () => expect(await lines()).toBe(129), { timeout: 3000, interval: 20 })
    await writer.write({ n: 129 })
    await writer.flush()
    expect(await lines()).toBe(130)
  })

  test('writes that nobody awaits keep their order', async () => {
    const writer = await JsonlWriter.open(path)
    const text = 'x'.repeat(200_000)
    await Promise.all(Array.from({ length: 150 }, (_, n) => writer.write({ n, text })))
    await writer[Symbol.asyncDispose]()
    const read = await collect(readJsonl(path, schema))
    expect(read.map((record) => record.n)).toEqual(Array.from({ length: 150 }, (_, n) => n))
  })

  test.each([
    ['NaN', { a: { b: [1, Number.NaN] } }, /a: b: \[1\] the number NaN/],
    ['a typed array', { ids: new Int32Array(2) }, /ids: an instance of Int32Array/],
    ['a bigint', { big: 1n }, /big: a value of type bigint/],
    ['undefined', undefined, /type undefined/],
  ])('%s is refused, and the writer goes on', async (_, record, message) => {
    {
      await using writer = await JsonlWriter.open(path)
      await writer.write({ n: 0 })
      await expect(writer.write(record)).rejects.toThrow(message)
      await writer.write({ n: 1 })
    }
    expect(await readFile(path, 'utf8')).toBe('{"n":0}\n{"n":1}\n')
  })

  test('a closed writer takes no more', async () => {
    const writer = await JsonlWriter.open(path)
    await writer[Symbol.asyncDispose]()
    await expect(writer.write({ n: 0 })).rejects.toMatchObject({ code: 'internal' })
  })
})

describe('writing a whole file', () => {
  test('replaces the old one at once', async () => {
    await writeFile(path, 'old')
    expect(await writeJsonl(path, [{ n: 0 }, { n: 1 }])).toBe(2)
    expect(await readFile(path, 'utf8')).toBe('{"n":0}\n{"n":1}\n')
    expect(await readdir(folder)).toEqual(['records.jsonl'])
  })

  test('leaves the old one when the records fail, and passes their error', async () => {
    await writeFile(path, 'old')
    const failure = new Error('no more')
    const records = async function* (): AsyncGenerator {
      yield { n: 0 }
      throw failure
    }
    await expect(writeJsonl(path, records())).rejects.toBe(failure)
    expect(await readFile(path, 'utf8')).toBe('old')
    expect(await readdir(folder)).toEqual(['records.jsonl'])
  })
})
