/**
 * The words that announce a claim in a Thought. `always`: whatever follows is the claim; `with-that`: only
 * if "that" follows ("it follows that", "we have derived that").
 */
export type Marker = 'always' | 'with-that'

const MARKERS: ReadonlyMap<string, Marker> = new Map<string, Marker>([
  ['so', 'always'],
  ['thus', 'always'],
  ['hence', 'always'],
  ['therefore', 'always'],
  ['conclude', 'always'],
  ['concludes', 'always'],
  ['derive', 'always'],
  ['derives', 'always'],
  ['infer', 'always'],
  ['infers', 'always'],
  ['concluded', 'with-that'],
  ['derived', 'with-that'],
  ['inferred', 'with-that'],
  ['follows', 'with-that'],
])

/** What an ASSUME step says of its formula. */
const SUPPOSITIONS: ReadonlyMap<string, Marker> = new Map<string, Marker>([
  ['assume', 'always'],
  ['assumes', 'always'],
  ['suppose', 'always'],
  ['supposes', 'always'],
])

/** Markers that a "not" shortly before them turns into their opposite. */
const DENIABLE = new Set([
  'conclude',
  'concludes',
  'derive',
  'derives',
  'infer',
  'infers',
  'concluded',
  'derived',
  'inferred',
  'follows',
])

const NEGATORS = new Set([
  'not',
  'cannot',
  "can't",
  "don't",
  "doesn't",
  'never',
  'impossible',
  'wrong',
  'unable',
])

/** Words that may stand between two markers of one claim: "Therefore, we can conclude that". */
const FILLERS = new Set([
  'we',
  'i',
  'one',
  'can',
  'could',
  'may',
  'must',
  'now',
  'also',
  'then',
  'it',
  'and',
  'finally',
])

/** By code of the first letter: the length of the shortest marker that starts so, 0 if none does. */
const SHORTEST = new Uint8Array(128)
for (const marker of [...MARKERS.keys(), ...SUPPOSITIONS.keys()]) {
  for (const first of [marker.charCodeAt(0), marker.toUpperCase().charCodeAt(0)]) {
    const known = SHORTEST[first] ?? 0
    SHORTEST[first] = known === 0 ? marker.length : Math.min(known, marker.length)
  }
}
const LONGEST = 9

/** A cheap test that most words fail, so that they need not be cut out of the text. */
export function mayBeMarker(firstLetter: number, length: number): boolean {
  const shortest = SHORTEST[firstLetter] ?? 0
  return shortest !== 0 && length >= shortest && length <= LONGEST
}

export function markerOf(word: string, inAssumption: boolean): Marker | undefined {
  const lower = word.toLowerCase()
  return MARKERS.get(lower) ?? (inAssumption ? SUPPOSITIONS.get(lower) : undefined)
}

/** Whether the marker is denied by one of the two words before it: "we cannot conclude that". */
export function isDenied(marker: string, clauseBefore: string): boolean {
  if (!DENIABLE.has(marker.toLowerCase())) return false
  const words = clauseBefore.toLowerCase().split(/\s+/)
  return words
    .filter((word) => word !== '')
    .slice(-2)
    .some((word) => NEGATORS.has(word))
}

/** Whether the text between two markers says nothing of its own. */
export function isFiller(text: string): boolean {
  return text
    .toLowerCase()
    .split(/[\s,:]+/)
    .every((word) => word === '' || FILLERS.has(word))
}
