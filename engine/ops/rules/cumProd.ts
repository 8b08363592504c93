import { sizeOf } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { axisIn, tieAxes } from '../support/axes.ts'
import { knownValues } from '../support/values.ts'
import type { Tensor } from '../tensor.ts'

/** Moves entries along an axis by `n` towards its end (its start where negative), ones coming in. */
function shifted(x: Tensor, axis: number, n: number): Tensor {
  const begin = x.shape.map((_, i) => (i === axis ? n : 0))
  return x.pad([...begin, ...begin.map((p) => (p === 0 ? 0 : -p))], 1)
}

/**
 * Running product along an axis, by doubling steps: each multiplies with what lies 1, 2, 4, ... back, so that zeros do no harm to the gradient.
 * Inputs x, axis. Spec: onnx CumProd-26; the rule writes it in older operators, so it serves at any opset. Hillis & Steele 1986.
 */
export const CumProd = defineOp({
  type: 'CumProd',
  since: 13,
  attrs: { exclusive: int(0), reverse: int(0) },
  infer({ x: [x], known, fail }) {
    axisIn(known(1, 'axis')[0] ?? 0, x.shape.length, fail)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad: 'expand',
  expand: ({ x, a }) => [running(x[0], knownValues(x)(1)![0]!, a)],
  simplify: ({ x, a }) => running(x[0], knownValues(x)(1)![0]!, a),
  cost: ({ x: [x] }) => sizeOf(x.shape),
  channels: ({ x }) => {
    const axis = knownValues(x as never)(1)?.[0]
    return axis === undefined ? [] : tieAxes(x[0].shape.length, (i) => i !== (axis < 0 ? axis + x[0].shape.length : axis))
  },
  examples: [
    { x: [[2, 5], { shape: [], dtype: 'int64', values: [1] }] },
    { x: [[4, 3], { shape: [], dtype: 'int64', values: [-2] }], a: { exclusive: 1 } },
    { x: [[2, 6], { shape: [], dtype: 'int64', values: [1] }], a: { reverse: 1, exclusive: 1 } },
  ],
})

function running(x: Tensor, axis: number, a: { exclusive: number; reverse: number }): Tensor {
  const k = axis < 0 ? axis + x.rank : axis
  const sign = a.reverse ? -1 : 1
  let y = a.exclusive ? shifted(x, k, sign) : x
  for (let step = 1; step < x.shape[k]!; step *= 2) y = y.mul(shifted(y, k, sign * step))
  return y
}
