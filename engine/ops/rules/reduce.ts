import { axisOf, sizeOf, strides } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp, type Tie } from '../rule.ts'
import { where, type Tensor } from '../tensor.ts'
import { axisIn, tieAxes } from '../support/axes.ts'
import { reduction, reductionByAttribute, type ReductionSpec } from '../support/reduction.ts'
import { exact, isInteger, isPlain, knownValues } from '../support/values.ts'

const sum: ReductionSpec = {
  flops: 1,
  grad: ({ x, dy }) => dy.expand(x.shape),
  value: (v) => v.reduce((s, e) => s + e, 0),
  uniform: (v, n) => v * n,
  identity: true,
}
const mean: ReductionSpec = {
  flops: 1,
  grad: ({ x, dy, n }) => dy.mul(1 / n).expand(x.shape),
  value: (v, dtype) => (isInteger(dtype) ? Math.trunc : Number)(v.reduce((s, e) => s + e, 0) / v.length),
  uniform: (v) => v,
  identity: true,
}

/** Elements that tie for the extreme share its gradient evenly. */
const extreme = (value: (...v: number[]) => number): ReductionSpec => ({
  flops: 1,
  grad({ x, y, dy, axes }) {
    const mask = x.equal(y).like(x)
    return mask.mul(dy.div(mask.sum(axes, true)))
  },
  value: (v) => value(...v),
  uniform: (v) => v,
  identity: true,
  input: { distinct: true },
})
const max = extreme(Math.max)
const min = extreme(Math.min)

/** Up to this many factors, the product of the others is multiplied out; above, it is y / x, which fails at zeros. */
const EXACT_FACTORS = 32

/** Product of all factors but one, for each: rows of a square whose diagonal is 1. */
function othersProduct(x: Tensor, axes: readonly number[], n: number): Tensor {
  const rest = x.shape.map((_, i) => i).filter((i) => !axes.includes(i))
  const perm = [...rest, ...axes]
  const moved = x.transpose(perm)
  const rows = moved.reshape([x.size / n, 1, n])
  const eye = Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0))
  const product = where(x.b.array('bool', [1, n, n], eye), 1, rows).emit('ReduceProd', ...prodArgs(x, 2))
  return product.reshape(moved.shape).transpose(perm.map((_, i) => perm.indexOf(i)))
}

const prodArgs = (x: Tensor, axis: number): [Tensor[], Record<string, number | number[]>] =>
  x.b.opset >= 18 ? [[x.b.ints([axis])], { keepdims: 0 }] : [[], { axes: [axis], keepdims: 0 }]

const prod: ReductionSpec = {
  flops: 1,
  grad: ({ x, y, dy, axes, n }) => dy.mul(n <= EXACT_FACTORS ? othersProduct(x, axes, n) : y.div(x)),
  value: (v) => v.reduce((s, e) => s * e, 1),
  identity: true,
}
const l1: ReductionSpec = { flops: 2, grad: ({ x, dy }) => dy.mul(x.sign()), away: [0] }
/** dx = dy x / y, and 0 where y is 0. */
const l2: ReductionSpec = { flops: 2, grad: ({ x, y, dy }) => x.mul(dy.div(y.add(y.equal(0).like(y)))), away: [0] }
const logSum: ReductionSpec = {
  flops: 1,
  grad: ({ x, dy, axes }) => dy.div(x.sum(axes, true)).expand(x.shape),
  input: { range: [0.5, 2] },
}
const logSumExp: ReductionSpec = { flops: 5, grad: ({ x, y, dy }) => dy.mul(x.sub(y).exp()) }
const sumSquare: ReductionSpec = { flops: 2, grad: ({ x, dy }) => dy.mul(2).mul(x) }

export const ReduceSum = reduction('ReduceSum', 13, sum)
export const ReduceMean = reduction('ReduceMean', 18, mean)
export const ReduceMean13 = reductionByAttribute('ReduceMean', mean)
export const ReduceMax = reduction('ReduceMax', 18, max)
export const ReduceMax13 = reductionByAttribute('ReduceMax', max)
export const ReduceMin = reduction('ReduceMin', 18, min)
export const ReduceMin13 = reductionByAttribute('ReduceMin', min)
export const ReduceProd = reduction('ReduceProd', 18, prod)
export const ReduceProd13 = reductionByAttribute('ReduceProd', prod)
export const ReduceL1 = reduction('ReduceL1', 18, l1)
export const ReduceL113 = reductionByAttribute('ReduceL1', l1)
export const ReduceL2 = reduction('ReduceL2', 18, l2)
export const ReduceL213 = reductionByAttribute('ReduceL2', l2)
export const ReduceLogSum = reduction('ReduceLogSum', 18, logSum)
export const ReduceLogSum13 = reductionByAttribute('ReduceLogSum', logSum)
export const ReduceLogSumExp = reduction('ReduceLogSumExp', 18, logSumExp)
export const ReduceLogSumExp13 = reductionByAttribute('ReduceLogSumExp', logSumExp)
export const ReduceSumSquare = reduction('ReduceSumSquare', 18, sumSquare)
export const ReduceSumSquare13 = reductionByAttribute('ReduceSumSquare', sumSquare)

/** Running sum along an axis; its gradient runs the other way. */
export const CumSum = defineOp({
  type: 'CumSum',
  since: 14,
  attrs: { exclusive: int(0), reverse: int(0) },
  infer({ x: [x], known, fail }) {
    axisIn(known(1, 'axis')[0] ?? 0, x.shape.length, fail)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  fold({ x: [x, axisData], y: [y], a }) {
    if (!x || !axisData || !isPlain(x.dtype)) return undefined
    const axis = axisOf(axisData.numbers()[0]!, x.dims.length)
    const [n, step] = [x.dims[axis]!, strides(x.dims)[axis]!]
    const v = Float64Array.from(x.numbers())
    const out = new Float64Array(v.length)
    for (let i = 0; i < v.length; i++) {
      const at = Math.floor(i / step) % n
      const from = a.reverse ? at + a.exclusive : 0
      const to = a.reverse ? n : at + 1 - a.exclusive
      for (let k = from; k < to; k++) out[i]! += v[i + (k - at) * step]!
    }
    const folded = exact(y!, out)
    return folded && [folded]
  },
  grad: ({ x: [, axis], dy: [dy], a }) => [dy.emit('CumSum', [axis], { exclusive: a.exclusive, reverse: a.reverse ? 0 : 1 })],
  cost: ({ x: [x] }) => sizeOf(x.shape),
  channels: ({ x }) => {
    const axis = knownValues(x as never)(1)?.[0]
    return axis === undefined ? [] : tieAxes(x[0].shape.length, (i) => i !== axisOf(axis, x[0].shape.length))
  },
  examples: [
    { x: [[2, 3], { shape: [], dtype: 'int64', values: [1] }] },
    { x: [[2, 3], { shape: [], dtype: 'int64', values: [-2] }], a: { exclusive: 1 } },
    { x: [[4], { shape: [], dtype: 'int64', values: [0] }], a: { reverse: 1 } },
    { x: [[3, 2, 2], { shape: [], dtype: 'int32', values: [0] }], a: { reverse: 1, exclusive: 1 } },
  ],
})

const position = (type: string) =>
  defineOp({
    type,
    since: 13,
    attrs: { axis: int(0), keepdims: int(1), select_last_index: int(0) },
    infer({ x: [x], a, fail }) {
      const axis = axisIn(a.axis, x.shape.length, fail)
      return [
        { dtype: 'int64', shape: a.keepdims ? x.shape.map((d, i) => (i === axis ? 1 : d)) : x.shape.filter((_, i) => i !== axis) },
      ]
    },
    grad: 'zero',
    cost: ({ x: [x] }) => sizeOf(x.shape),
    channels: ({ x: [x], a }) => {
      const axis = axisOf(a.axis, x.shape.length)
      return x.shape.flatMap((_, i): Tie[] =>
        i === axis ? [] : [{ a: ['x0', i], b: ['y0', i > axis && !a.keepdims ? i - 1 : i] }],
      )
    },
    examples: [
      { x: [[2, 3]], a: { axis: 1 } },
      { x: [[2, 3, 4]], a: { axis: -2, keepdims: 0 } },
      { x: [[4]], a: { select_last_index: 1 } },
    ],
  })

export const ArgMax = position('ArgMax')
export const ArgMin = position('ArgMin')
