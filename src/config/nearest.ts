import { editDistance } from '../regime-w/closeness.ts'

/** The name that was most likely meant by a mistyped one: the nearest, if it is near at all. */
export function nearest(given: string, names: Iterable<string>): string | undefined {
  let best: { name: string; distance: number } | undefined
  for (const name of names) {
    const distance = editDistance(codes(given), codes(name))
    if (distance < (best?.distance ?? Infinity)) best = { name, distance }
  }
  // A third of the letters wrong is a typo; more is another word.
  return best !== undefined && best.distance <= Math.max(1, given.length / 3) ? best.name : undefined
}

/** " Did you mean beta?", or nothing. */
export function didYouMean(given: string, names: Iterable<string>): string {
  const name = nearest(given, names)
  return name === undefined ? '' : ` Did you mean ${name}?`
}

function codes(text: string): number[] {
  return Array.from(text.toLowerCase().replaceAll('_', '-'), (letter) => letter.codePointAt(0) ?? 0)
}
