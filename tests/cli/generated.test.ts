import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { cliReference } from '../../src/cli/reference.ts'
import { CONFIG_KINDS, configJsonSchema } from '../../src/config/json-schema.ts'
import { createProgram } from '../support/program.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** Files that are made from the sources; `npm run generate` makes them again. */
const GENERATED: readonly (readonly [string, () => string])[] = [
  ...CONFIG_KINDS.map(
    (kind) =>
      [
        `configs/schema/${kind}.schema.json`,
        () => `${JSON.stringify(configJsonSchema(kind), undefined, 2)}\n`,
      ] as const,
  ),
  ['docs/cli.md', () => cliReference(createProgram())],
]

test.each(GENERATED)('%s is what the sources give (otherwise: npm run generate)', async (file, make) => {
  const path = join(ROOT, file)
  if (process.env['ELENCHUS_UPDATE_GENERATED'] === '1') await writeFile(path, make())
  expect(await readFile(path, 'utf8')).toBe(make())
})

test.each(['oak', 'abel', 'tiny.oak', 'tiny.abel'])('configs/%s.yaml names its schema', async (name) => {
  const text = await readFile(join(ROOT, `configs/${name}.yaml`), 'utf8')
  expect(text).toMatch(
    new RegExp(`^# yaml-language-server: \\$schema=schema/${name.replace('tiny.', '')}\\.schema\\.json\n`),
  )
})
