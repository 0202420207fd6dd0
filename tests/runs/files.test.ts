import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { writeConfigAtomic, writeFileAtomic, writeJsonAtomic } from '../../src/runs/atomic.ts'
import { fingerprintFile, fingerprintFolder, fingerprintJson } from '../../src/runs/fingerprint.ts'
import { canonicalJson } from '../../src/runs/json.ts'
import { writeJsonl } from '../../src/runs/jsonl.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'elenchus-'))
})
afterEach(() => rm(folder, { recursive: true }))

describe('atomic files', () => {
  test('make their folder, replace what was there and leave nothing else', async () => {
    const path = join(folder, 'a/b/summary.json')
    await writeJsonAtomic(path, { accuracy: 0.5, note: undefined })
    expect(await readFile(path, 'utf8')).toBe('{\n  "accuracy": 0.5\n}\n')
    await writeFileAtomic(path, Uint8Array.of(104, 105))
    expect(await readFile(path, 'utf8')).toBe('hi')
    expect(await readdir(join(folder, 'a/b'))).toEqual(['summary.json'])
  })

  test('remove what a killed process left of the same file, and nothing else', async () => {
    const others = [
      '.summary.json.bak',
      `.summary.json.${process.pid}.999.tmp`,
      '.summary.json.old.1073741824.1.tmp',
    ]
    for (const name of [...others, '.summary.json.1073741824.1.tmp']) await writeFile(join(folder, name), '')
    await writeJsonAtomic(join(folder, 'summary.json'), {})
    expect((await readdir(folder)).toSorted()).toEqual([...others, 'summary.json'].toSorted())
    await writeFile(join(folder, '.rows.jsonl.1073741824.1.tmp'), '')
    await writeJsonl(join(folder, 'rows.jsonl'), [{ row: 1 }])
    expect(await readdir(folder)).toHaveLength(others.length + 2)
  })

  test('of a configuration hold no credential', async () => {
    const path = join(folder, 'dpo_config.json')
    await writeConfigAtomic(path, { beta: 0.1, token: 'hush' })
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ beta: 0.1, token: '[redacted]' })
  })

  test('keep the old content when the value is no JSON or the target cannot be replaced', async () => {
    const path = join(folder, 'summary.json')
    await writeFile(path, 'old')
    await expect(writeJsonAtomic(path, { loss: Number.NaN })).rejects.toThrow(/loss: the number NaN/)
    expect(await readFile(path, 'utf8')).toBe('old')
    await mkdir(join(folder, 'taken/inside'), { recursive: true })
    await expect(writeFileAtomic(join(folder, 'taken'), 'x')).rejects.toMatchObject({ code: 'io_failed' })
    expect(await readdir(folder)).toEqual(['summary.json', 'taken'])
  })

  test.skipIf(process.getuid?.() === 0)('a folder without permission is reported', async () => {
    await chmod(folder, 0o500)
    await expect(writeFileAtomic(join(folder, 'x'), 'x')).rejects.toMatchObject({ code: 'io_failed' })
    await chmod(folder, 0o700)
  })
})

describe('fingerprints', () => {
  test('of JSON depend on values, not on the order of keys', () => {
    const expected = createHash('sha256').update('{"a":[1,{"c":null,"d":"x"}],"b":2}').digest('hex')
    expect(fingerprintJson({ b: 2, a: [1, { d: 'x', c: null }], gone: undefined })).toBe(expected)
    expect(fingerprintJson({ b: 2, a: [1, { d: 'y', c: null }] })).not.toBe(expected)
    expect(canonicalJson(JSON.parse('{"z":1,"__proto__":{"a":1}}'))).toBe('{"__proto__":{"a":1},"z":1}')
  })

  test('of files and folders are what sha256sum says', async () => {
    await mkdir(join(folder, 'model/sub'), { recursive: true })
    await writeFile(join(folder, 'blob'), 'weights')
    await symlink('../blob', join(folder, 'model/weights'))
    await writeFile(join(folder, 'model/sub/é.json'), '{}')
    await writeFile(join(folder, 'model/sub.txt'), Buffer.alloc(3_000_000, 7))
    const shell = (command: string): string =>
      execFileSync('bash', ['-c', command], { cwd: join(folder, 'model'), encoding: 'utf8' }).slice(0, 64)
    expect(await fingerprintFile(join(folder, 'model/sub.txt'))).toBe(shell('sha256sum sub.txt'))
    expect(await fingerprintFolder(join(folder, 'model'))).toBe(
      shell('find -L . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum'),
    )
  })

  test('a renamed file changes its folder; nothing to read is an error', async () => {
    await writeFile(join(folder, 'a'), 'x')
    const before = await fingerprintFolder(folder)
    await rm(join(folder, 'a'))
    await expect(fingerprintFolder(folder)).rejects.toMatchObject({ code: 'file_missing' })
    await expect(fingerprintFile(join(folder, 'a'))).rejects.toMatchObject({ code: 'file_missing' })
    await writeFile(join(folder, 'b'), 'x')
    expect(await fingerprintFolder(folder)).not.toBe(before)
  })
})
