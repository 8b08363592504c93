import type { Tensor } from '../ops/index.ts'
import { meanOfRows, sameOperands } from './rows.ts'

export interface CrossEntropyOptions {
  /** Share of the target that is spread evenly over all classes, in [0, 1). Szegedy et al. 2016, arXiv:1512.00567. */
  labelSmoothing?: number
}

/**
 * L = -mean over samples of sum_c t_c log softmax(z)_c, with t smoothed to (1 - e) t + e / C.
 * `logits` and `target` (a distribution: one-hot labels, mixed labels, a teacher's probabilities) are [..., C]. A scalar, in nats.
 */
export function crossEntropy(logits: Tensor, target: Tensor, { labelSmoothing = 0 }: CrossEntropyOptions = {}): Tensor {
  sameOperands('cross entropy', logits, target)
  const classes = logits.shape.at(-1)!
  const t = labelSmoothing === 0 ? target : target.mul(1 - labelSmoothing).add(labelSmoothing / classes)
  return meanOfRows(t.mul(logits.logSoftmax())).neg()
}
