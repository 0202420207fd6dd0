import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { readBackendFlags } from '../../src/cli/backend.ts'
import { dryRun } from '../../src/cli/dry-run-config.ts'
import { describeLaunch, renderLaunch } from '../../src/cli/dry-run.ts'
import { loadConfig, parseOverride } from '../../src/config/load.ts'
import { pipelineSchema } from '../../src/config/pipeline.ts'
import { dtypeOf, launcherOf, limitsOf } from '../../src/pipelines/launchers.ts'

const folder = mkdtempSync('/tmp/elc-')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function accelerateConfig(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** What `--dry-run` would print for these flags. */
function rendered(flags: Readonly<Record<string, unknown>>): string {
  return describeLaunch(renderLaunch(readBackendFlags(flags), 'out/logs'))
}

test('--dry-run of a pipeline shows no credential, neither in the configuration nor in what it would launch', async () => {
  const settings = [
    'backend.launcher=command',
    'backend.launch_command=["env", "HF_TOKEN=hush", "remote", "--token", "hush", "{cmd}"]',
    'backend.ray.address=http://me:hush@head:8265',
  ]
  const config = await loadConfig('configs/tiny.oak.yaml', pipelineSchema, settings.map(parseOverride))
  const text = await dryRun(config)
  expect(text).not.toContain('hush')
  // Once in the configuration, then for each worker.
  expect(text.match(/HF_TOKEN=\[redacted\]/g)).toHaveLength(1 + (config.backend.num_processes ?? 1))
  expect(text).toContain('http://[redacted]@head:8265')
})

test('--dry-run with vLLM shows its servers beside the workers, and no credential', async () => {
  const settings = [
    'backend.engine=vllm',
    'backend.vllm.command=[env, "HF_TOKEN=hush", /opt/vllm/bin/vllm]',
    'backend.vllm.args=[--max-model-len, "4096", --hf-token, hush]',
    'backend.vllm.gpus=[4, 5]',
  ]
  const config = await loadConfig('configs/oak.yaml', pipelineSchema, settings.map(parseOverride))
  const text = await dryRun(config)
  expect(text).not.toContain('hush')
  expect(text.match(/^# # vLLM on device \d, on this machine/gm)).toHaveLength(2)
  expect(text).toMatch(
    /CUDA_VISIBLE_DEVICES=\S+ env 'HF_TOKEN=\[redacted\]' \/opt\/vllm\/bin\/vllm serve Qwen\/Qwen3-8B .*--max-model-len 4096/,
  )
  expect(text).toMatch(/assumed: what vLLM samples takes the time of our own engine/)
})

test('--limits-step gives a slow worker more time, and the other phases what they had', () => {
  const { phaseS } = limitsOf(readBackendFlags({ limitsStep: '900' }))
  expect(phaseS).toEqual({ import: 180, load: 900, first_step: 900, step: 900 })
})

describe('the flags of launchers that people know', () => {
  test('accelerate launch --num_processes=4 --mixed_precision=bf16', () => {
    const config = readBackendFlags({ launcher: 'accelerate', numProcesses: '4', mixedPrecision: 'bf16' })
    expect(config).toMatchObject({ launcher: 'accelerate', num_processes: 4, dtype: 'bfloat16' })
    const text = rendered({ launcher: 'accelerate', numProcesses: '4' })
    expect(text).toMatch(
      /-m elenchus_runtime.shim \S+ -m accelerate.commands.launch --multi_gpu --num_processes 4/,
    )
    expect(text).toMatch(/--module elenchus_runtime.worker$/)
  })

  test('accelerate launch --config_file: its workers and precision are taken, unless flags say otherwise', () => {
    const path = accelerateConfig(
      'a.yaml',
      'distributed_type: MULTI_GPU\nnum_processes: 3\nmixed_precision: bf16\n',
    )
    const config = readBackendFlags({ launcher: 'accelerate', configFile: path })
    expect([launcherOf(config).defaultRanks, dtypeOf(config)]).toEqual([3, 'bfloat16'])
    expect(rendered({ launcher: 'accelerate', configFile: path })).toContain(`--config_file ${path}`)
    expect(dtypeOf({ ...config, dtype: 'float32' })).toBe('float32')
  })

  test.each([
    ['distributed_type: DEEPSPEED\n', /DEEPSPEED is not supported/],
    ['num_machines: 2\n', /several machines are started with --launcher torchrun or slurm/],
    ['num_processes: many\n', /no accelerate configuration/],
  ])('a configuration of accelerate with %j is refused with what to use', (text, message) => {
    const accelerate_config = accelerateConfig('b.yaml', text)
    const config = readBackendFlags({ launcher: 'accelerate', accelerateConfig: accelerate_config })
    expect(() => launcherOf(config)).toThrow(message)
  })

  test('torchrun --nproc-per-node=8, on one machine and on two', () => {
    expect(rendered({ launcher: 'torchrun', nprocPerNode: '8' })).toMatch(
      /torch.distributed.run --nnodes 1 --nproc-per-node 8 --standalone/,
    )
    const flags = { launcher: 'torchrun', nprocPerNode: '8', nnodes: '2', rdzvEndpoint: 'node0:29400' }
    expect(readBackendFlags(flags).num_processes).toBe(16)
    expect(() => rendered(flags)).toThrow(/give --listen ADDRESS/)
    const text = rendered({ ...flags, listen: '10.0.0.1' })
    expect(text).toMatch(/--nnodes 2 --nproc-per-node 8 --rdzv-backend static --rdzv-endpoint node0:29400/)
    expect(text).toContain(
      `elenchus join --connection ${resolve('out/logs/connection.json')} --nnodes 2 --node-rank 1 --rdzv-endpoint node0:29400 --num-processes 16`,
    )
    expect(() => rendered({ ...flags, listen: '10.0.0.1', numProcesses: '3' })).toThrow(/dealt evenly/)
  })

  test('a precision that we do not have is refused', () => {
    expect(() => readBackendFlags({ mixedPrecision: 'fp16' })).toThrow(/"fp16" is not supported: bf16 or no/)
  })

  test('spawn renders one process per device', () => {
    const text = rendered({ gpus: '1,3' })
    expect(text.match(/^# rank \d, on this machine$/gm)).toEqual([
      '# rank 0, on this machine',
      '# rank 1, on this machine',
    ])
    expect(text).toMatch(/RANK=1 WORLD_SIZE=2 LOCAL_RANK=0 .*CUDA_VISIBLE_DEVICES=\S+ /)
  })

  test('slurm and ray render what they would submit', () => {
    expect(rendered({ launcher: 'slurm', listen: '10.0.0.1', numProcesses: '2' })).toContain('exec srun ')
    expect(rendered({ launcher: 'ray', listen: '10.0.0.1', numProcesses: '2' })).toMatch(
      /POST .*\/api\/jobs\/[\s\S]*ray_ranks 2 1 1/,
    )
    const command = ['docker', 'run', '-i', '--rm', 'image', '{cmd}']
    expect(rendered({ launcher: 'command', launchCommand: command })).toMatch(
      /^docker run -i --rm image env ELENCHUS_CONNECTION=- /m,
    )
  })
})
