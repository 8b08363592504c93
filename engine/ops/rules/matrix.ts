import { showShape, sizeOf } from '../../ir/index.ts'
import { defineOp, type TensorType } from '../rule.ts'
import { MICROSOFT } from '../support/contrib.ts'
import { tieAxes } from '../support/axes.ts'

function square(x: TensorType, fail: (message: string) => never): readonly number[] {
  if (x.shape.length < 2 || x.shape.at(-1) !== x.shape.at(-2)) fail(`expected square matrices, found ${showShape(x.shape)}`)
  return x.shape
}

const batch = ({ x: [x] }: { x: readonly [TensorType, ...TensorType[]] }) => tieAxes(x.shape.length, (i) => i < x.shape.length - 2)

/** Determinant of the last two axes. dx = dy y inverse(x)', so it takes matrices that have an inverse. Petersen & Pedersen 2012, equation 49. */
export const Det = defineOp({
  type: 'Det',
  since: 11,
  attrs: {},
  infer: ({ x: [x], fail }) => [{ dtype: x.dtype, shape: square(x, fail).slice(0, -2) }],
  grad({ x: [x], y: [y], dy: [dy] }) {
    const inverse = x.emit('Inverse', [], {}, { domain: MICROSOFT })
    return [inverse.T.mul(dy.mul(y).unsqueeze([y.rank, y.rank + 1]))]
  },
  cost: ({ x: [x] }) => (2 * sizeOf(x.shape) * (x.shape.at(-1) ?? 1)) / 3,
  channels: batch,
  examples: [{ x: [[3, 3]] }, { x: [[2, 2, 2]] }],
})

/** Inverse of the last two axes. dx = -y' dy y'. Petersen & Pedersen 2012, equation 59. */
export const Inverse = defineOp({
  type: 'Inverse',
  domain: MICROSOFT,
  since: 1,
  attrs: {},
  infer: ({ x: [x], fail }) => [{ dtype: x.dtype, shape: square(x, fail) }],
  grad: ({ y: [y], dy: [dy] }) => [y.T.matmul(dy).matmul(y.T).neg()],
  cost: ({ x: [x] }) => 2 * sizeOf(x.shape) * (x.shape.at(-1) ?? 1),
  channels: batch,
  examples: [{ x: [{ shape: [2, 2, 2], distinct: true, range: [1, 9] }] }],
})
