import { execa } from 'execa'
import { DEFAULT_COMMAND, findProgram } from '../backends/vllm/command.ts'
import { ElenchusError } from '../errors.ts'
import type { Finding } from './finding.ts'

/** vLLM imports torch before it says its version. */
const VERSION_MS = 120_000

/** Whether the user's vLLM is there, and which it is; nobody needs one who has not named it. */
export async function checkVllm(
  given: readonly [string, ...string[]] | undefined,
  signal?: AbortSignal,
): Promise<Finding> {
  const command = given ?? DEFAULT_COMMAND
  let program: string
  try {
    program = await findProgram(command)
  } catch (error) {
    if (!ElenchusError.is(error)) throw error
    if (given === undefined) {
      return {
        name: 'vllm',
        status: 'note',
        message: 'not found; only engine vllm and --backend vllm need it',
      }
    }
    return { name: 'vllm', status: 'error', message: error.message, fix: error.hint }
  }
  const { exitCode, stdout, stderr } = await execa(program, [...command.slice(1), '--version'], {
    reject: false,
    timeout: VERSION_MS,
    ...(signal !== undefined && { cancelSignal: signal }),
  })
  const version = /^\S*?(\d+\.\d+\S*)$/m.exec(stdout)?.[1]
  if (exitCode === 0 && version !== undefined) {
    return { name: 'vllm', status: 'ok', message: `${version}, ${program}`, details: { program, version } }
  }
  const said = stderr.trimEnd().split('\n').at(-1) ?? ''
  return {
    name: 'vllm',
    status: given === undefined ? 'warning' : 'error',
    message: `${program} does not say its version${said === '' ? '' : `: ${said}`}`,
    fix: `Run \`${[program, ...command.slice(1), '--version'].join(' ')}\`, and mend its environment.`,
    details: { program },
  }
}
