/** How the coefficient of the KL penalty moves; absent settings leave it where it is. */
export interface KlControl {
  /** KL divergence per answer, in nats, that the coefficient is adapted to. */
  readonly target: number | undefined
  /** Answers over which it is adapted. */
  readonly horizon: number
}

/** Largest relative error that one observation may count. */
const ERROR_LIMIT = 0.2

/**
 * The coefficient after `answers` answers whose mean KL per answer was `kl`: multiplied by
 * 1 + clip(kl / target - 1, -0.2, 0.2) * answers / horizon (Ziegler et al. 2019, arXiv:1909.08593, 2.2).
 */
export function nextKlCoef(coef: number, kl: number, answers: number, control: KlControl): number {
  if (control.target === undefined) return coef
  const error = Math.min(ERROR_LIMIT, Math.max(-ERROR_LIMIT, kl / control.target - 1))
  return coef * Math.max(0, 1 + (error * answers) / control.horizon)
}
