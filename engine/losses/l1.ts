import type { Tensor } from '../ops/index.ts'
import { sameOperands } from './rows.ts'

/** Mean over all elements of |a - b|. Any equal shapes. A scalar. */
export function l1(a: Tensor, b: Tensor): Tensor {
  sameOperands('L1 distance', a, b)
  return a.sub(b).abs().mean()
}
