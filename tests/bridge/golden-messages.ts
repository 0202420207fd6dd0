import type { Blobs } from '../../src/bridge/protocol/blobs.ts'
import type { MessageKind } from '../../src/bridge/protocol/header.ts'
import type { Op } from '../../src/bridge/protocol/ops.ts'

/** One message of the wire, kept as bytes in `tests/golden/wire` and read by the tests of both languages. */
export interface GoldenMessage {
  readonly name: string
  readonly kind: MessageKind
  readonly op?: Op
  readonly id: string
  readonly body: Readonly<Record<string, unknown>>
  readonly blobs?: Blobs
}

const ids = Int32Array.of(5, 0, 2147483647, -1, 7)
const lengths = Int32Array.of(3, 0, 2)
const ARCHITECTURE = {
  hidden_size: 64,
  num_layers: 2,
  num_heads: 4,
  intermediate_size: 128,
  max_positions: 512,
  rope_theta: 100,
  tie_embeddings: true,
  attention_bias: true,
  initializer_range: 0.02,
}
const SAMPLING = { temperature: 1, top_p: 1, max_new_tokens: 64 }
const OPTIMIZER = { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0, max_grad_norm: 1 }
const DPO = {
  type: 'dpo',
  prompts: ['Premises:\n…'],
  rows: [0, 0, 0],
  pairs: [
    [0, 1],
    [0, 2],
  ],
  loss: 'sigmoid',
  beta: 0.1,
  label_smoothing: 0,
  nll_coef: 0.2,
  length_normalised: false,
  max_length: 1024,
}
const PPO = {
  type: 'ppo',
  prompts: ['Question:\n…'],
  rows: [0, 0, 0],
  max_length: 1024,
  temperature: 0.9,
  clip_low: 0.2,
  clip_high: 0.28,
  value_coef: 0.1,
  value_learning_rate: 0.01,
  entropy_coef: 0.001,
  kl_coef: 0,
  value_only: false,
}
const PER_TOKEN = Float32Array.of(-1, 0.5, 0, -0.125, 2)

function exchange(
  op: Op,
  request: Readonly<Record<string, unknown>>,
  result: Readonly<Record<string, unknown>>,
  blobs: { readonly request?: Blobs; readonly result?: Blobs } = {},
): GoldenMessage[] {
  return [
    { name: `${op}.request`, kind: 'request', op, id: `${op}-1`, body: request, blobs: blobs.request ?? {} },
    { name: `${op}.result`, kind: 'result', op, id: `${op}-1`, body: result, blobs: blobs.result ?? {} },
  ]
}

function step(name: string, batch: Readonly<Record<string, unknown>>, blobs: Blobs): GoldenMessage {
  const body = { session: 's1', step: 1, learning_rate: 0.0007, batch }
  return { name: `train.step.${name}.request`, kind: 'request', op: 'train.step', id: 't-1', body, blobs }
}

const CONTROL: readonly GoldenMessage[] = [
  {
    name: 'hello',
    kind: 'hello',
    id: 'hello',
    body: {
      token: 'b1946ac92492d2347c6235b4d2611184',
      protocol: 1,
      rank: 0,
      epoch: 0,
      world_size: 1,
      local_rank: 0,
      device: 'cpu',
      pid: 4321,
      capabilities: ['generate', 'score', 'train'],
      versions: { python: '3.11.2', torch: '2.13.0' },
      warnings: ['transformers 5.19 has not been tested'],
      credits: 1024,
    },
  },
  { name: 'welcome', kind: 'welcome', id: 'hello', body: { heartbeat_s: 0.5 } },
  { name: 'accepted', kind: 'accepted', id: 'generate-1', body: {} },
  { name: 'ping', kind: 'ping', id: '17', body: {} },
  {
    name: 'pong.busy',
    kind: 'pong',
    id: '17',
    body: { phase: 'step', phase_s: 3, busy: 'generate-1', beat: 4294967296 },
  },
  { name: 'pong.idle', kind: 'pong', id: '18', body: { phase: 'idle', phase_s: 0.25, busy: null, beat: 0 } },
  { name: 'cancel', kind: 'cancel', id: 'generate-1', body: {} },
  { name: 'bye', kind: 'bye', id: 'bye', body: {} },
  {
    name: 'error',
    kind: 'error',
    id: 'generate-1',
    body: {
      code: 'out_of_memory',
      message: 'The micro-batch of 8,192 tokens does not fit.',
      hint: 'Reduce --batch-size.',
      retryable: false,
      details: { op: 'generate', free_bytes: 5000000000, tried: [8192, 4096] },
    },
  },
  {
    name: 'error.minimal',
    kind: 'error',
    id: '',
    body: { code: 'protocol_violation', message: 'A message without frames.', retryable: false, details: {} },
  },
  {
    name: 'event.progress',
    kind: 'event',
    id: 'model.load-1',
    body: { type: 'progress', phase: 'load', done: 3, total: 10 },
  },
]

const MODELS: readonly GoldenMessage[] = [
  ...exchange(
    'tokenizer.train',
    {
      path: 'm/tokenizer',
      texts_path: 'texts.jsonl',
      phrase_patterns: [String.raw`Every \w+`, String.raw`\[\d\]`],
      special_tokens: { eos: '<eos>', pad: '<pad>' },
    },
    { vocab_size: 391 },
  ),
  ...exchange(
    'model.create',
    {
      path: 'm',
      tokenizer_path: 'm/tokenizer',
      architecture: {
        ...ARCHITECTURE,
        num_kv_heads: 2,
        head_dim: 32,
        residual_init_scale: 0.5,
        look_back_heads: [1, 2, 3],
      },
      seed: 4294967295,
      deadline_s: 60,
    },
    { num_parameters: 90000, fingerprint: 'sha256:0a1b' },
  ),
  {
    name: 'model.create.minimal.request',
    kind: 'request',
    op: 'model.create',
    id: 'model.create-2',
    body: { path: 'm', tokenizer_path: 't', architecture: ARCHITECTURE, seed: 0 },
  },
  ...exchange(
    'model.load',
    {
      model: 'Qwen/Qwen3-8B',
      revision: 'main',
      dtype: 'bfloat16',
      trust_remote_code: false,
      deterministic: false,
      threads: 1,
    },
    {
      fingerprint: 'sha256:0a1b',
      num_parameters: 8190735360,
      vocab_size: 151936,
      max_positions: 40960,
      eos_token_id: 151645,
      dtype: 'bfloat16',
      device: 'cuda:0',
      device_name: 'NVIDIA H100 80GB HBM3',
      load_s: 12,
    },
  ),
  ...exchange('model.unload', {}, {}),
  ...exchange('model.save', { path: 'full' }, { fingerprint: 'sha256:2c' }),
  ...exchange('model.merge', { policy: 'p1', path: 'merged' }, { fingerprint: 'sha256:2d' }),
  ...exchange(
    'stats',
    {},
    { pid: 4321, rss_bytes: 6000000000, models: ['m'], adapters: ['p1'], uptime_s: 12.5 },
  ),
]

const ADAPTERS: readonly GoldenMessage[] = [
  ...exchange(
    'adapter.create',
    { name: 't1', rank: 16, alpha: 32, dropout: 0, target_modules: 'all-linear', seed: 1 },
    { trainable_parameters: 12288 },
  ),
  {
    name: 'adapter.create.modules.request',
    kind: 'request',
    op: 'adapter.create',
    id: 'adapter.create-2',
    body: { name: 't2', rank: 8, alpha: 16, dropout: 0.05, target_modules: ['q_proj', 'v_proj'], seed: 2 },
  },
  ...exchange('adapter.load', { name: 'p1', path: 'a/final', trainable: false }, { fingerprint: 'sha256:1' }),
  ...exchange('adapter.save', { name: 'p1', path: 'a/final' }, { fingerprint: 'sha256:1' }),
  ...exchange('adapter.freeze', { name: 'p1' }, {}),
  ...exchange('adapter.drop', { name: 'p1' }, {}),
]

const INFERENCE: readonly GoldenMessage[] = [
  ...exchange(
    'generate',
    {
      policy: 'p1',
      engine: 'auto',
      requests: [
        { key: 'a/0', prompt: 'Every wumpus is a tumpus. [0]\n', seed: 4294967295 },
        { key: 'a/1', prompt: 'Größe ∀x 😀', seed: 0 },
      ],
      sampling: SAMPLING,
      stops: [{ name: 'steps', pattern: String.raw`(?:^|\n)Action:`, count: 8 }],
      segment: { boundary: '\n', max_tokens: 64 },
      max_prompt_tokens: 512,
      logprobs: true,
      deterministic: true,
      slots: 64,
      deadline_s: 600,
    },
    {
      completions: 2,
      generated_tokens: 40,
      prompt_tokens: 20,
      seconds: 1,
      engine: 'native',
      decoder: 'lean',
    },
  ),
  {
    name: 'generate.minimal.request',
    kind: 'request',
    op: 'generate',
    id: 'generate-2',
    body: {
      policy: null,
      engine: 'transformers',
      requests: [{ key: '', prompt: '', seed: 1 }],
      sampling: { temperature: 0, top_p: 0.9, max_new_tokens: 1 },
      stops: [],
      logprobs: false,
      deterministic: false,
    },
  },
  {
    name: 'generate.event',
    kind: 'event',
    op: 'generate',
    id: 'generate-1',
    body: {
      type: 'completion',
      key: 'a/1',
      text: 'Größe ∀x 😀',
      finish_reason: 'stop',
      stop_name: 'steps',
      num_tokens: 3,
      prompt_tokens: 10,
    },
    blobs: { ids: Int32Array.of(5, 6, 7), logprobs: Float32Array.of(-0.5, 0, -12.25) },
  },
  {
    name: 'generate.empty.event',
    kind: 'event',
    op: 'generate',
    id: 'generate-1',
    body: {
      type: 'completion',
      key: 'a/0',
      text: '',
      finish_reason: 'prompt_too_long',
      num_tokens: 0,
      prompt_tokens: 900,
    },
    blobs: { ids: new Int32Array(0), logprobs: new Float32Array(0) },
  },
  ...exchange(
    'encode',
    { texts: ['a b', '', 'c'], special_tokens: true },
    {},
    { result: { ids, ids_lengths: lengths } },
  ),
  ...exchange(
    'score',
    { policy: null, prompts: ['p', 'q'], rows: [0, 0, 1], temperature: 1, micro_batch_tokens: 8192 },
    {},
    {
      request: { ids, ids_lengths: lengths },
      result: {
        logprobs: Float32Array.of(-1, -2, -3, -4, -0.125),
        logprobs_lengths: lengths,
        sums: Float64Array.of(-6, 0, -4.125),
      },
    },
  ),
]

const TRAINING: readonly GoldenMessage[] = [
  ...exchange(
    'group.join',
    { group: 'g1', rank: 1, size: 2, meeting: { type: 'file', path: 'sockets/meeting-g1', local: true } },
    {},
  ),
  {
    name: 'group.join.tcp.request',
    kind: 'request',
    op: 'group.join',
    id: 'group.join-2',
    body: { group: 'g2', rank: 0, size: 16, meeting: { type: 'tcp', host: 'node-0', port: 29500 } },
  },
  ...exchange(
    'train.begin',
    {
      session: 's1',
      algorithm: 'dpo',
      policy: 't1',
      optimizer: OPTIMIZER,
      micro_batch_tokens: 8192,
      gradient_checkpointing: false,
      seed: 1,
      deterministic: true,
    },
    { trainable_parameters: 12288, weights_fingerprint: 'sha256:3' },
  ),
  {
    name: 'train.begin.full.request',
    kind: 'request',
    op: 'train.begin',
    id: 'train.begin-2',
    body: {
      session: 's2',
      algorithm: 'ppo',
      policy: null,
      optimizer: OPTIMIZER,
      micro_batch_tokens: 1,
      gradient_checkpointing: true,
      value_head: true,
      seed: 0,
      deterministic: false,
      group: 'g1',
      sharding: 'fsdp2',
    },
  },
  step('sft.empty', { type: 'sft', prompts: [], completions: [], append_eos: true, max_length: 512 }, {}),
  step(
    'sft',
    { type: 'sft', prompts: ['p', 'q'], completions: ['c', ''], append_eos: true, max_length: 512 },
    {},
  ),
  step(
    'sft_ids',
    { type: 'sft_ids', prompts: ['p'], rows: [0, 0, 0], max_length: 512 },
    { ids, ids_lengths: lengths },
  ),
  step(
    'lm_ids',
    { type: 'lm_ids' },
    { ids, ids_lengths: lengths, target_mask: Uint8Array.of(0, 1, 1, 0, 1) },
  ),
  step('dpo', DPO, { ids, ids_lengths: lengths, reference_sums: Float64Array.of(-6.5, 0, -1e-300) }),
  step(
    'dpo.weighted',
    { ...DPO, weights: [1, 0.5], loss: 'ipo', length_normalised: true },
    { ids, ids_lengths: lengths, reference_sums: Float64Array.of(-6.5, 0, -1) },
  ),
  step('ppo', PPO, { ids, ids_lengths: lengths, old_logprobs: PER_TOKEN, advantages: PER_TOKEN }),
  step(
    'ppo.critic',
    { ...PPO, value_clip: 0.2, kl_coef: 0.04, value_only: true, max_kl: 0.1 },
    {
      ids,
      ids_lengths: lengths,
      old_logprobs: PER_TOKEN,
      advantages: PER_TOKEN,
      returns: PER_TOKEN,
      old_values: PER_TOKEN,
      reference_logprobs: PER_TOKEN,
    },
  ),
  {
    name: 'train.step.result',
    kind: 'result',
    op: 'train.step',
    id: 't-1',
    body: {
      step: 1,
      loss: Math.LN2,
      grad_norm: 1,
      tokens: 5,
      truncated: 0,
      metrics: { accuracy: 0, margin: -0.25, reference_gap: 1e-7 },
    },
  },
  ...exchange(
    'train.score',
    { session: 's1', prompts: ['p', 'q'], rows: [0, 0, 1], temperature: 0.9, micro_batch_tokens: 8192 },
    {},
    {
      request: { ids, ids_lengths: lengths },
      result: { logprobs: PER_TOKEN, entropies: PER_TOKEN, values: PER_TOKEN },
    },
  ),
  ...exchange('train.verify', { session: 's1' }, { weights_fingerprint: 'sha256:3' }),
  ...exchange('train.end', { session: 's1' }, {}),
  ...exchange(
    'checkpoint.save',
    { session: 's1', path: 'checkpoint-10', cursor: { step: 10, order: [3, 1, 2], nested: { done: false } } },
    { bytes: 5000000000 },
  ),
  ...exchange('checkpoint.load', { session: 's1', path: 'checkpoint-10' }, { step: 10, cursor: null }),
]

export const GOLDEN_MESSAGES: readonly GoldenMessage[] = [
  ...CONTROL,
  ...MODELS,
  ...ADAPTERS,
  ...INFERENCE,
  ...TRAINING,
]
