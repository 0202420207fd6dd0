import { existsSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { packageFile, packageVersion } from '../../src/runs/versions.ts'

test('finds what is shipped with the package', () => {
  expect(existsSync(packageFile('package.json'))).toBe(true)
  expect(readFileSync(packageFile('package.json'), 'utf8')).toContain(`"version": "${packageVersion()}"`)
})
