import type { Tensor } from '../ops/index.ts'
import { meanOfRows, sameOperands } from './rows.ts'

/**
 * KL(p || q) = mean over samples of sum_c p_c (log p_c - log q_c), from finite log-probabilities [..., C]. A scalar, in nats, >= 0.
 * `logP` is the reference (a teacher); gradients flow into both.
 */
export function klDivergence(logP: Tensor, logQ: Tensor): Tensor {
  sameOperands('KL divergence', logP, logQ)
  return meanOfRows(logP.exp().mul(logP.sub(logQ)))
}
