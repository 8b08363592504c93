import type { Tensor } from '../ops/index.ts'
import { meanOfRows, rows, sameOperands, unitRows } from './rows.ts'

/**
 * Mean over samples of || a / |a| - b / |b| ||^2, e.g. Sun et al. 2019 (patient distillation), arXiv:1908.09355, equation 7.
 * Features [N, ...] count as one vector a sample. A scalar in [0, 4]; twice the cosine distance where no vector is zero.
 */
export function normalizedMse(a: Tensor, b: Tensor): Tensor {
  sameOperands('normalized squared error', a, b)
  return meanOfRows(
    unitRows(rows(a))
      .sub(unitRows(rows(b)))
      .square(),
  )
}
