import { fork, type ChildProcess } from 'node:child_process'
import type { Answer, Question } from './tester.ts'

export type Outcome = 'passed' | 'failed' | 'timeout'

/** Starts the tester when it is first needed, and again after it had to be killed. */
export class TestProcess {
  readonly #args: readonly string[]
  #child: ChildProcess | null = null

  constructor(root: string, groups: readonly (readonly string[])[]) {
    this.#args = [root, JSON.stringify(groups)]
  }

  /** Whether the tests pass; tests that are not done after so many milliseconds are killed. */
  async run(changed: string | null, milliseconds: number): Promise<Outcome> {
    const child = (this.#child ??= fork(new URL('tester.js', import.meta.url), this.#args, {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: { ...process.env, CI: '1' },
    }))
    return new Promise((resolve) => {
      const settle = (outcome: Outcome, over: boolean): void => {
        clearTimeout(timer)
        child.off('message', onMessage)
        child.off('exit', onExit)
        if (over) this.stop()
        resolve(outcome)
      }
      const onMessage = ({ passed }: Answer): void => settle(passed ? 'passed' : 'failed', false)
      const onExit = (): void => settle('failed', true)
      const timer = setTimeout(() => settle('timeout', true), milliseconds)
      child.on('message', onMessage)
      child.on('exit', onExit)
      const question: Question = { changed }
      child.send(question)
    })
  }

  /** Kills the tester with everything that it has started. */
  stop(): void {
    const pid = this.#child?.pid
    this.#child = null
    if (pid === undefined) return
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}
