/** A file that users fetch themselves, as it is known: by the hash of its bytes. */
export interface Download {
  readonly name: string
  readonly file: string
  readonly sha256: string
  readonly items: number
  readonly licence: string
  /** What it becomes: `problems` by `data convert`, `questions` are read as they are. */
  readonly kind: 'problems' | 'questions' | 'overlay'
}

/** Files whose hashes were computed from the originals; `docs/data.md` says where each comes from. */
export const DOWNLOADS: readonly Download[] = [
  {
    name: 'GSM8K train',
    file: 'train.jsonl',
    sha256: '17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465',
    items: 7473,
    licence: 'MIT',
    kind: 'questions',
  },
  {
    name: 'GSM8K test',
    file: 'test.jsonl',
    sha256: '3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14',
    items: 1319,
    licence: 'MIT',
    kind: 'questions',
  },
  {
    name: 'GSM8K Platinum (rebuilt from GSM8K test)',
    file: 'test.jsonl',
    sha256: '2fed637dbfd47a54fb753ee0184938337d50ba3d08be5c74a340f2fae6f14e3f',
    items: 1209,
    licence: 'MIT',
    kind: 'questions',
  },
  {
    name: 'GSM8K Platinum overlay',
    file: 'overlay.json',
    sha256: '7e0b6b11219986ef6a90c4998ca9db2500dd2f433136f09722b708988f052931',
    items: 1209,
    licence: 'MIT',
    kind: 'overlay',
  },
  {
    name: 'FOLIO train',
    file: 'folio-train.jsonl',
    sha256: '008d34b750d31fa7f014e953228adf4db81ec34bbda9e7f67c96c60438d1e6b2',
    items: 1004,
    licence: 'CC BY-SA 4.0',
    kind: 'problems',
  },
  {
    name: 'ProofWriter dev (open world, depth 5; Logic-LLM)',
    file: 'dev.json',
    sha256: 'e792b54981065c91d4aecc908be17ce9a730f2327548e6fa36717ef01e472240',
    items: 600,
    licence: 'MIT (repository); data by AI2',
    kind: 'problems',
  },
  ...(
    [
      [1, '48e04fdc610e4d49d66e975ad09a7182f0bf30b14e1b42aadbc5f8abff04bc61'],
      [2, '10bd95076e5a94214f75c988812831351a6d81f58cf245c1b702a31bd438e7f4'],
      [3, '27dd36318b39d3c2a005cee8d5f1a4c0434e4e9d17415cd17fc7283e19f65dfc'],
      [4, '86f38423b20cc7001e849963fe1ddfcced298fdf21d6fd10188c368148a815d4'],
    ] as const
  ).map(([hops, sha256]) => ({
    name: `PrOntoQA ${hops} hops (random ontology, seed 101)`,
    file: `${hops}hop_1shot_random_seed101.json`,
    sha256,
    items: 500,
    licence: 'Apache-2.0',
    kind: 'problems' as const,
  })),
]

export function downloadOf(sha256: string): Download | undefined {
  return DOWNLOADS.find((download) => download.sha256 === sha256)
}
