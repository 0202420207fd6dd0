import type {
  Completion,
  GenerateOptions,
  GenerateRequest,
  ModelBackend,
  PolicyRef,
  Trajectory,
} from '../backends/backend.ts'
import { collect } from './expect.ts'

/** A backend under test. Whoever made it disposes it. */
export interface ConformanceSubject {
  readonly backend: ModelBackend
  /** Prompts that its model answers with at least a few tokens more often than not. */
  readonly prompts: readonly string[]
  /** Where training may write; of no use to a backend that does not train. */
  readonly folder: string
}

/** What a backend says it can do, so that its cases are known before it has been started. */
export interface ConformanceOffers {
  readonly score: boolean
  readonly train: boolean
  /** The same seed gives the same text, whatever else is asked at the same time. */
  readonly seeds: boolean
}

/** One thing that a backend must do: a test for any runner. It rejects, saying why, where the backend does not. */
export interface ConformanceCase {
  /** `interface`, `generate`, `score` or `training`. */
  readonly group: string
  readonly name: string
  readonly run: () => Promise<void>
}

/** The subject with the questions that all cases ask. */
export class Examinee {
  readonly #subject: () => ConformanceSubject | Promise<ConformanceSubject>

  constructor(subject: () => ConformanceSubject | Promise<ConformanceSubject>) {
    this.#subject = subject
  }

  async backend(): Promise<ModelBackend> {
    return (await this.#subject()).backend
  }

  async prompts(): Promise<readonly string[]> {
    return (await this.#subject()).prompts
  }

  async folder(): Promise<string> {
    return (await this.#subject()).folder
  }

  async base(): Promise<PolicyRef> {
    const { fingerprint } = await (await this.backend()).info()
    return { kind: 'base', fingerprint }
  }

  async options(changes: Partial<GenerateOptions> = {}): Promise<GenerateOptions> {
    const policy = await this.base()
    return { policy, temperature: 1, topP: 1, maxNewTokens: 12, stops: [], ...changes }
  }

  async requests(count: number): Promise<GenerateRequest[]> {
    const prompts = await this.prompts()
    return Array.from({ length: count }, (_, index) => ({
      key: `k${index}`,
      prompt: prompts[index % prompts.length] ?? '',
      seed: index,
    }))
  }

  /** All completions of the requests, or of so many. */
  async run(
    asked: readonly GenerateRequest[] | number,
    changes: Partial<GenerateOptions> = {},
  ): Promise<Completion[]> {
    const requests = typeof asked === 'number' ? await this.requests(asked) : asked
    return collect((await this.backend()).generate(requests, await this.options(changes)))
  }

  /** The completions of `run(count)` as they are scored and trained on. */
  async trajectories(completions: readonly Completion[]): Promise<Trajectory[]> {
    const requests = await this.requests(completions.length)
    const prompts = new Map(requests.map(({ key, prompt }) => [key, prompt]))
    return completions.map(({ key, ids }) => ({
      prompt: prompts.get(key) ?? '',
      ids: ids ?? new Int32Array(0),
    }))
  }
}
