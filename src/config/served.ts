import * as z from 'zod'

/** A server that generates, instead of workers of our own. Placement, like theirs: not compared on resume. */
export const openaiSchema = z.strictObject({
  base_url: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe(
      'Address of an OpenAI-compatible server, for example http://localhost:8000/v1; a list shares the work.',
    ),
  api: z
    .enum(['completions', 'chat'])
    .default('completions')
    .describe("completions sends our prompt as it is; chat wraps it in the server's template."),
  server: z
    .enum(['vllm', 'sglang', 'llama.cpp', 'ollama', 'transformers', 'other'])
    .optional()
    .describe('Whose dialect it speaks; absent: it is asked.'),
  api_key_variable: z
    .string()
    .min(1)
    .default('OPENAI_API_KEY')
    .describe('Environment variable with the key; the key itself is never a flag.'),
  concurrency: z.number().int().positive().default(32).describe('Requests under way at once, per server.'),
  retries: z.number().int().min(0).default(5).describe('Further attempts after a failure that may pass.'),
  extra_body: z
    .record(z.string(), z.unknown())
    .default({})
    .describe('Fields added to every request, as JSON.'),
})
export type OpenAIConfig = z.infer<typeof openaiSchema>

/** The user's own vLLM, started as servers that sample; part of `backend`, and placement like all of it. */
export const vllmSchema = z.strictObject({
  command: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .default('vllm')
    .describe('Program of vLLM, with its first arguments if it is a list, for example /opt/vllm/bin/vllm.'),
  args: z
    .array(
      z
        .string()
        .refine((each) => !/^--api[-_]key(?:$|=)/.test(each), 'the servers have keys of their own already'),
    )
    .default([])
    .describe('Further arguments of `vllm serve`, for example ["--max-model-len", "4096"].'),
  gpus: z
    .array(z.number().int().nonnegative())
    .optional()
    .describe(
      'Devices of its servers, one each, for example [4, 5]; absent: those of the workers, in turns with them; []: one server that sees all.',
    ),
  max_lora_rank: z.number().int().positive().default(64).describe('Largest rank of an adapter.'),
  concurrency: z.number().int().positive().default(256).describe('Requests under way at once, per server.'),
  retries: z.number().int().min(0).default(5).describe('Further attempts after a failure that may pass.'),
  ready: z.number().positive().default(1800).describe('Seconds that a server may take to start.'),
})
