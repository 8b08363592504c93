import type { Tensor } from '../ops/index.ts'
import { sameOperands } from './rows.ts'

/**
 * Huber 1964: mean over all elements of d^2 / 2 for |d| <= delta, else delta (|d| - delta / 2), with d = a - b.
 * Any equal shapes, delta > 0. A scalar.
 */
export function huber(a: Tensor, b: Tensor, delta = 1): Tensor {
  sameOperands('Huber loss', a, b)
  const d = a.sub(b).abs()
  // The part of |d| up to delta counts squared, the rest linearly: both branches in one expression.
  const near = d.minimum(delta)
  return near.square().mul(0.5).add(d.sub(near).mul(delta)).mean()
}
