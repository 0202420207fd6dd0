import { InvalidArgumentError } from 'commander'

/** For flags that count something. @throws InvalidArgumentError, which Commander tells with the flag's name. */
export function positiveInteger(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('It is no positive integer.')
  return value
}

/** For seeds. */
export function nonNegativeInteger(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError('It is no integer of at least 0.')
  }
  return value
}

/** For gates. */
export function share(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= 0 && value <= 1)) {
    throw new InvalidArgumentError('It is no share between 0 and 1, such as 0.8.')
  }
  return value
}
