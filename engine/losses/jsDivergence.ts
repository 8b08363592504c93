import type { Tensor } from '../ops/index.ts'
import { meanOfRows, sameOperands } from './rows.ts'

/** Probabilities are raised to this before the logarithm; far above the smallest float32, so that 1 / p stays finite too. */
const FLOOR = 1e-30

/**
 * Jensen-Shannon divergence: (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, mean over samples.
 * `p` and `q` are probabilities [..., C]; zeros are allowed. A scalar in [0, ln 2], symmetric.
 */
export function jsDivergence(p: Tensor, q: Tensor): Tensor {
  sameOperands('JS divergence', p, q)
  const log = (x: Tensor) => x.maximum(FLOOR).log()
  const logM = log(p.add(q).mul(0.5))
  const both = p.mul(log(p).sub(logM)).add(q.mul(log(q).sub(logM)))
  return meanOfRows(both).mul(0.5)
}
