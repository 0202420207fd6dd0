import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { diagnose } from '../../src/environment/doctor.ts'
import type { Diagnosis } from '../../src/environment/finding.ts'
import { checkNode, checkPlatform, gpuFinding, parseGpus } from '../../src/environment/machine.ts'
import { checkVllm } from '../../src/environment/vllm.ts'
import { workerPython } from '../bridge/worker-python.ts'

const byName = ({ findings }: Diagnosis): Record<string, unknown> =>
  Object.fromEntries(findings.map((finding) => [finding.name, finding]))

describe('diagnose', () => {
  test.skipIf(workerPython === null)('a machine that is ready: a real worker answers', async () => {
    const diagnosis = await diagnose({ python: workerPython ?? '' })
    expect(diagnosis.ready).toBe(true)
    expect(byName(diagnosis)).toMatchObject({
      node: { status: 'ok' },
      python: { status: 'ok' },
      versions: { status: 'ok', details: { versions: { torch: expect.any(String) as string } } },
      wire: { status: 'ok', details: { round_trip_ms: expect.any(Number) as number } },
    })
  })

  test('a Python without packages: not ready, with what to run', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'elenchus-doctor-'))
    const python = join(folder, 'python')
    await writeFile(python, `#!/bin/sh\necho '{"version": [3, 12], "missing": ["torch"]}'\n`)
    await chmod(python, 0o755)
    const diagnosis = await diagnose({ python })
    await rm(folder, { recursive: true })
    expect(diagnosis.ready).toBe(false)
    expect(byName(diagnosis)).toMatchObject({
      python: { status: 'error', fix: expect.stringContaining('elenchus setup') as string },
      wire: { status: 'error' },
    })
  })

  test('vLLM: its version where it is named or there, nothing where nobody asked for it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'elenchus-doctor-'))
    const program = async (name: string, text: string): Promise<string> => {
      await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
      return join(folder, name)
    }
    const good = await program('good', 'echo noise >&2; [ "$2" = --version ] && echo 0.33.0+cpu')
    expect(await checkVllm([good, 'first'])).toMatchObject({
      status: 'ok',
      message: `0.33.0+cpu, ${good}`,
      details: { version: '0.33.0+cpu' },
    })
    const broken = await program('broken', 'echo "ImportError: no torch" >&2; exit 1')
    expect(await checkVllm([broken])).toMatchObject({
      status: 'error',
      message: expect.stringContaining('ImportError: no torch') as string,
      fix: expect.stringContaining(`${broken} --version`) as string,
    })
    expect(await checkVllm([join(folder, 'none')])).toMatchObject({ status: 'error' })
    const path = process.env['PATH']
    process.env['PATH'] = folder
    expect(await checkVllm(undefined)).toMatchObject({ status: 'note' })
    await program('vllm', 'echo 1.2.3')
    expect(await checkVllm(undefined)).toMatchObject({ status: 'ok', details: { version: '1.2.3' } })
    process.env['PATH'] = path
    await rm(folder, { recursive: true })
  })

  test('every finding that is not fine has a fix', async () => {
    const found = [
      checkNode('20.18.1'),
      checkPlatform('win32'),
      checkPlatform('darwin'),
      gpuFinding(parseGpus('NVIDIA H100, 81559, 570.1\n'), 'cpu', '2.13.0+cpu'),
    ]
    expect(found.map(({ status }) => status)).toEqual(['error', 'error', 'warning', 'warning'])
    for (const finding of found) expect(finding.fix, finding.name).toBeTruthy()
  })
})

test('GPUs: none is no fault, and one that torch sees is fine', () => {
  expect(gpuFinding([], 'cpu', '2.13.0').status).toBe('note')
  const two = parseGpus('NVIDIA H100 80GB HBM3, 81559, 570.1\nNVIDIA H100 80GB HBM3, 81559, 570.1\n')
  expect(two).toHaveLength(2)
  expect(gpuFinding(two, 'cuda:0', '2.13.0+cu130')).toMatchObject({
    status: 'ok',
    message: expect.stringContaining('80 GiB') as string,
  })
})
