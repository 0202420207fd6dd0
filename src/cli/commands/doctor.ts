import { Command } from 'commander'
import { diagnose } from '../../environment/doctor.ts'
import type { Diagnosis, Finding } from '../../environment/finding.ts'
import { backendSchema } from '../../config/backend.ts'
import { ElenchusError } from '../../errors.ts'
import { commandOf } from '../../pipelines/open-backend.ts'
import { readSchemaFlags } from '../flags.ts'
import { withSession } from '../session.ts'

interface DoctorFlags {
  readonly python?: string
  readonly vllmCommand?: string
  readonly json?: boolean
}

/** `elenchus doctor`: whether this machine is ready, and what to do where it is not. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'check Node, Python, torch, GPU, disk, the wire to a real worker, and vLLM; each finding with its fix',
    )
    .option('--python <path>', 'interpreter of the workers (default: the one that runs would use)')
    .option(
      '--vllm-command <value>',
      'program of vLLM, as runs are given it (default: vllm, if there is one)',
    )
    .option('--json', 'print one JSON document')
    .addHelpText(
      'after',
      '\nExamples:\n  elenchus doctor\n  elenchus doctor --python .venv/bin/python --json\n  elenchus doctor --vllm-command /opt/vllm/bin/vllm',
    )
    .action(async (flags: DoctorFlags) => {
      await withSession(flags, async ({ print, signal }) => {
        const { vllm } = readSchemaFlags(backendSchema.pick({ vllm: true }), { ...flags })
        const command = flags.vllmCommand === undefined ? undefined : commandOf(vllm)
        const diagnosis = await diagnose({ python: flags.python, vllm: command, signal })
        print(render(diagnosis), diagnosis)
        const errors = diagnosis.findings.filter(({ status }) => status === 'error')
        if (errors.length === 0) return
        const [first] = errors
        throw new ElenchusError(
          'environment',
          `Not ready: ${errors.map(({ name }) => name).join(', ')}.`,
          first?.fix === undefined ? {} : { hint: first.fix },
        )
      })
    })
}

const MARKS = { ok: 'ok', note: 'note', warning: 'WARN', error: 'FAIL' } as const

function render({ ready, findings }: Diagnosis): string {
  const width = Math.max(...findings.map(({ name }) => name.length))
  const line = ({ name, status, message, fix }: Finding): string[] => {
    const indent = ' '.repeat(width + 8)
    const text = message.replaceAll('\n', `\n${indent}`)
    return [
      `${MARKS[status].padEnd(4)}  ${name.padEnd(width)}  ${text}`,
      ...(fix === undefined ? [] : [`${indent}-> ${fix}`]),
    ]
  }
  return [...findings.flatMap(line), '', ready ? 'ready' : 'not ready'].join('\n')
}
