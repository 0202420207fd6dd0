import { isWorkerFailure } from '../../errors.ts'

const MOST_ATTEMPTS = 4

/**
 * Does work that may be done again from its beginning, on the next start of a worker that died over it. The
 * group decides how often it starts a worker again; here only what never ends is bounded.
 */
export async function persevere<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!isWorkerFailure(error) || attempt === MOST_ATTEMPTS) throw error
    }
  }
}
