/** Servers whose dialect is known; `other` gets nothing that the protocol does not have. */
export const SERVER_KINDS = ['vllm', 'sglang', 'llama.cpp', 'ollama', 'transformers', 'other'] as const
export type ServerKind = (typeof SERVER_KINDS)[number]

export interface OpenAIBackendOptions {
  /** Address of the server, with or without `/v1`; several servers of the same model share the work. */
  readonly baseUrl: string | readonly string[]
  /** The model's name on the server. */
  readonly model: string
  /**
   * `completions` sends the prompt as it is. `chat` wraps it in the server's chat template, so the model sees
   * another prompt than the one in the records. @default 'completions'
   */
  readonly api?: 'completions' | 'chat' | undefined
  /** @default what the server says it is */
  readonly server?: ServerKind | undefined
  /** Environment variable that holds the key; without one, requests carry no key. @default 'OPENAI_API_KEY' */
  readonly apiKeyVariable?: string | undefined
  /** Requests under way at once, per server. @default 32 */
  readonly concurrency?: number | undefined
  /** How often a request is sent again after a failure that may pass. @default 5 */
  readonly retries?: number | undefined
  /** A server that says nothing for so long has failed. @default 600000 */
  readonly idleMs?: number | undefined
  /** Fields added to every request as they are; they win over our own. */
  readonly extraBody?: Readonly<Record<string, unknown>> | undefined
  /** Names the weights that are served; without it, those of a local folder are read, or the name stands. */
  readonly fingerprint?: string | undefined
  /**
   * What the server's log-probabilities are of: the model's own distribution (the usual case), or the one that
   * was sampled from, temperature and top-p included (vLLM: `--logprobs-mode processed_logprobs`).
   * @default 'model'
   */
  readonly logprobsOf?: 'model' | 'sampling' | undefined
  /** Told once per text, for example of a setting that the server does not take. */
  readonly onWarning?: ((message: string) => void) | undefined
}
