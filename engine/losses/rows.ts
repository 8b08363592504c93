import { BugError } from '../errors.ts'
import type { Tensor } from '../ops/index.ts'

/** Errors: BugError when two operands of a loss differ in shape; broadcasting there would hide a mistake. */
export function sameOperands(loss: string, a: Tensor, b: Tensor): void {
  if (a.shape.length !== b.shape.length || a.shape.some((d, i) => d !== b.shape[i]))
    throw new BugError(`${loss}: operands differ in shape: ${a.toString()} and ${b.toString()}`)
}

/** Sum over the last axis, mean over the rest. A scalar. */
export const meanOfRows = (x: Tensor): Tensor => x.sum([-1]).mean()

/** One row for each sample: [N, ...] to [N, D]. */
export const rows = (x: Tensor): Tensor => (x.rank === 2 ? x : x.flatten(1))

/** Squared norm below which a row counts as zero; its direction is then the row divided by 1e-12. */
const TINY_SQUARED = 1e-24

/** Rows [N, D] scaled to Euclidean length 1. A zero row stays zero, and its gradient is finite. */
export const unitRows = (x: Tensor): Tensor => x.div(x.square().sum([-1], true).maximum(TINY_SQUARED).sqrt())
