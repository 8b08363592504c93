import { showShape, sizeOf } from '../../ir/index.ts'
import { string } from '../attrs.ts'
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

/** Distances [M, N] between rows of [M, K] and [N, K]. */
export const CDist = defineOp({
  type: 'CDist',
  domain: MICROSOFT,
  since: 1,
  attrs: { metric: string('sqeuclidean') },
  infer({ x: [p, q], a, fail }) {
    if (p.shape.length !== 2 || q.shape.length !== 2 || p.shape[1] !== q.shape[1])
      fail(`${showShape(p.shape)} and ${showShape(q.shape)} are no points of one space`)
    if (!['sqeuclidean', 'euclidean'].includes(a.metric)) fail(`metric is '${a.metric}', expected sqeuclidean or euclidean`)
    return [{ dtype: p.dtype, shape: [p.shape[0]!, q.shape[0]!] }]
  },
  grad: 'expand',
  expand({ x: [p, q], a }) {
    const between = p.unsqueeze([1]).sub(q.unsqueeze([0]))
    if (a.metric !== 'euclidean') return [between.square().sum([2])]
    // The norm has a gradient where rows are equal (zero), the root of the squares has none there.
    return [between.emit('ReduceL2', [p.b.ints([2])], { keepdims: 0 })]
  },
  cost: ({ x: [p, q] }) => 3 * sizeOf(p.shape) * q.shape[0]!,
  channels: () => [
    { a: ['x0', 1], b: ['x1', 1] },
    { a: ['x0', 0], b: ['y0', 0] },
    { a: ['x1', 0], b: ['y0', 1] },
  ],
  examples: [
    ...['sqeuclidean', 'euclidean'].map((metric) => ({
      x: [
        [3, 4],
        [2, 4],
      ],
      a: { metric },
    })),
    // Every row is at no distance from itself.
    { x: [{ shape: [3, 2], range: [-0.5, 0.5] }, { sameAs: 0 }], a: { metric: 'euclidean' } },
  ],
})
