import type { Tensor } from '../ops/index.ts'
import { meanOfRows, rows, sameOperands, unitRows } from './rows.ts'

/** Mean over samples of 1 - cos(a, b). Features [N, ...] count as one vector a sample. A scalar in [0, 2]; a zero vector gives 1. */
export function cosine(a: Tensor, b: Tensor): Tensor {
  sameOperands('cosine distance', a, b)
  return meanOfRows(unitRows(rows(a)).mul(unitRows(rows(b)))).rsub(1)
}
