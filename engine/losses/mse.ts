import type { Tensor } from '../ops/index.ts'
import { sameOperands } from './rows.ts'

/** Mean over all elements of (a - b)^2. Any equal shapes. A scalar. */
export function mse(a: Tensor, b: Tensor): Tensor {
  sameOperands('mean squared error', a, b)
  return a.sub(b).square().mean()
}
