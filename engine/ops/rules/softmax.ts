import { int } from '../attrs.ts'
import { axisIn } from '../support/axes.ts'
import { defineOp, type OpRule, type Tie } from '../rule.ts'

const product = (list: readonly number[]) => list.reduce((n, d) => n * d, 1)

const alongAxis = (type: string, rule: Pick<OpRule, 'grad'>, flops: number): OpRule =>
  defineOp({
    type,
    since: 13,
    attrs: { axis: int(-1) },
    infer({ x: [x], a, fail }) {
      axisIn(a.axis as number, x.shape.length, fail)
      return [{ dtype: x.dtype, shape: x.shape }]
    },
    grad: rule.grad,
    cost: ({ x: [x] }) => flops * product(x.shape),
    channels: ({ x: [x] }) => x.shape.map((_, i): Tie => ({ a: ['x0', i], b: ['y0', i] })),
    examples: [{ x: [[3, 4]] }, { x: [[2, 3, 4]], a: { axis: 1 } }],
  })

/** y = exp(x) / sum exp(x);  dx = y (dy - sum dy y). */
export const Softmax = alongAxis(
  'Softmax',
  { grad: ({ y: [y], dy: [dy], a }) => [y.mul(dy.sub(dy.mul(y).sum([a.axis as number], true)))] },
  5,
)

/** y = x - log sum exp(x);  dx = dy - exp(y) sum dy. */
export const LogSoftmax = alongAxis(
  'LogSoftmax',
  { grad: ({ y: [y], dy: [dy], a }) => [dy.sub(y.exp().mul(dy.sum([a.axis as number], true)))] },
  5,
)

/** One at the largest element along the axis. */
export const Hardmax = alongAxis('Hardmax', { grad: 'zero' }, 1)
