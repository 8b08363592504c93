import { axisOf, isFloat, sizeOf, type DataType } from '../../ir/index.ts'
import { float, int, ints } from '../attrs.ts'
import { defineOp, type Tie } from '../rule.ts'
import { axesIn, axisIn, tieAxes } from '../support/axes.ts'
import { broadcastAll } from '../support/elementwise.ts'
import type { Tensor } from '../tensor.ts'
import { standardize } from './standardize.ts'

/** Half precision is standardized in single, as `stash_type` 1 asks. */
const wide = (t: Tensor): Tensor => (t.dtype === 'float16' || t.dtype === 'bfloat16' ? t.cast('float32') : t)
const stashType = (code: number, of: DataType): DataType => (code === 1 ? 'float32' : code === 11 ? 'float64' : of)
const perChannel = (v: Tensor, rank: number): Tensor => v.reshape([v.size, ...Array<number>(rank - 2).fill(1)])

/** Trailing axes of the operand belong to those of x that it is not stretched along. */
const vectorTies = (x: readonly number[], v: readonly number[], slot: `x${number}`): Tie[] =>
  v.flatMap((d, i): Tie[] => {
    const axis = x.length - v.length + i
    return d > 1 && d === x[axis] ? [{ a: ['x0', axis], b: [slot, i] }] : []
  })

/**
 * y = scale (x - mean) / sqrt(var + epsilon) + bias over the axes from `axis` on. Further outputs: mean, 1 / deviation.
 * Spec: onnx LayerNormalization-17; Ba, Kiros & Hinton 2016.
 */
export const LayerNormalization = defineOp({
  type: 'LayerNormalization',
  since: 17,
  attrs: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) },
  infer({ x: [x, scale], a, opt, outputs, fail }) {
    const axis = axisIn(a.axis, x.shape.length, fail)
    for (const v of [scale, opt(1 + 1)])
      if (v && broadcastAll([x, v], fail).length !== x.shape.length) fail(`scale or bias has more axes than the input`)
    const stats = { dtype: stashType(a.stash_type, x.dtype), shape: x.shape.map((d, i) => (i < axis ? d : 1)) }
    return [{ dtype: x.dtype, shape: x.shape }, stats, stats].slice(0, outputs)
  },
  grad: 'expand',
  expand({ x: [x, scale], a, outputs, opt }) {
    const axis = axisOf(a.axis, x.rank)
    const stash = stashType(a.stash_type, x.dtype)
    const input = wide(x)
    const [z, r] = standardize(input, axis, a.epsilon)
    const scaled = z.like(x).mul(scale)
    const bias = opt(2)
    const y = bias ? scaled.add(bias) : scaled
    if (outputs === 1) return [y]
    const mean = input.mean(
      x.shape.flatMap((_, i) => (i < axis ? [] : [i])),
      true,
    )
    return [y, mean.cast(stash), r.cast(stash)].slice(0, outputs)
  },
  cost: ({ x: [x] }) => 9 * sizeOf(x.shape),
  channels: ({ x: [x, scale, bias] }) => [
    ...tieAxes(x.shape.length, () => true),
    ...vectorTies(x.shape, scale.shape, 'x1'),
    ...((bias as typeof bias | undefined) ? vectorTies(x.shape, bias.shape, 'x2') : []),
  ],
  examples: [
    { x: [[4, 5], [5], [5]] },
    { x: [[2, 3, 4], [4]], a: { axis: -1, epsilon: 1e-2 } },
    {
      x: [
        [2, 3, 4],
        [3, 4],
        [3, 4],
      ],
      a: { axis: 1 },
    },
    { x: [[3, 6], [6], [6]], outputs: 3 },
  ],
})

/** y = scale x / sqrt(mean x^2 + epsilon) over the axes from `axis` on. Spec: onnx RMSNormalization-23; Zhang & Sennrich 2019. */
export const RMSNormalization = defineOp({
  type: 'RMSNormalization',
  since: 23,
  attrs: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) },
  infer({ x: [x, scale], a, fail }) {
    axisIn(a.axis, x.shape.length, fail)
    if (broadcastAll([x, scale], fail).length !== x.shape.length) fail(`scale has more axes than the input`)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad: 'expand',
  expand({ x: [x, scale], a }) {
    const [z] = standardize(wide(x), axisOf(a.axis, x.rank), a.epsilon, false)
    return [z.like(x).mul(scale)]
  },
  cost: ({ x: [x] }) => 5 * sizeOf(x.shape),
  channels: ({ x: [x, scale] }) => [...tieAxes(x.shape.length, () => true), ...vectorTies(x.shape, scale.shape, 'x1')],
  examples: [
    { x: [[4, 5], [5]] },
    {
      x: [
        [2, 3, 4],
        [3, 4],
      ],
      a: { axis: 1, epsilon: 1e-2 },
    },
  ],
})

const channelTies: readonly Tie[] = [
  { a: ['x0', 1], b: ['y0', 1] },
  { a: ['x0', 1], b: ['x1', 0] },
  { a: ['x0', 1], b: ['x2', 0] },
]

function checkChannels(
  x: { shape: readonly number[] },
  vectors: readonly { shape: readonly number[] }[],
  fail: (m: string) => never,
): void {
  if (x.shape.length < 3) fail(`input of rank ${x.shape.length}, expected at least 3 ([N, C, ...])`)
  for (const v of vectors)
    if (v.shape.length !== 1 || v.shape[0] !== x.shape[1])
      fail(`scale or bias has ${sizeOf(v.shape)} values for ${x.shape[1]} channels`)
}

/** y = scale (x - mean) / sqrt(var + epsilon) + bias, statistics of each image and channel. Spec: onnx InstanceNormalization-22. */
export const InstanceNormalization = defineOp({
  type: 'InstanceNormalization',
  since: 6,
  attrs: { epsilon: float(1e-5) },
  infer({ x: [x, scale, bias], fail }) {
    checkChannels(x, [scale, bias], fail)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad: 'expand',
  expand({ x: [x, scale, bias], a }) {
    const [z] = standardize(wide(x), 2, a.epsilon)
    return [z.like(x).mul(perChannel(scale, x.rank)).add(perChannel(bias, x.rank))]
  },
  cost: ({ x: [x] }) => 9 * sizeOf(x.shape),
  channels: () => [...channelTies],
  examples: [{ x: [[2, 3, 4, 2], [3], [3]] }, { x: [[2, 2, 5], [2], [2]], a: { epsilon: 1e-2 } }],
})

/** As InstanceNormalization, with statistics of groups of neighbouring channels. Spec: onnx GroupNormalization-21; Wu & He 2018. */
export const GroupNormalization = defineOp({
  type: 'GroupNormalization',
  since: 21,
  attrs: { num_groups: int(1), epsilon: float(1e-5), stash_type: int(1) },
  infer({ x: [x, scale, bias], a, fail }) {
    checkChannels(x, [scale, bias], fail)
    if (x.shape[1]! % a.num_groups) fail(`${x.shape[1]} channels do not divide into ${a.num_groups} groups`)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad: 'expand',
  expand({ x: [x, scale, bias], a }) {
    const n = x.shape[0]!
    const [z] = standardize(wide(x).reshape([n, a.num_groups, x.size / (n * a.num_groups)]), 2, a.epsilon)
    const rows = (v: Tensor) => perChannel(v, x.rank)
    return [z.like(x).reshape(x.shape).mul(rows(scale)).add(rows(bias))]
  },
  cost: ({ x: [x] }) => 9 * sizeOf(x.shape),
  channels: () => [...channelTies],
  examples: [
    { x: [[2, 4, 3, 2], [4], [4]], a: { num_groups: 2 } },
    { x: [[2, 6, 3], [6], [6]], a: { num_groups: 3, epsilon: 1e-2 } },
  ],
})

/** What the standard adds to the deviation is 1e-9; under the root this is the same for one that is 0 or far above. */
const MVN_EPSILON = 1e-18

/** y = (x - mean) / deviation over `axes` together. Spec: onnx MeanVarianceNormalization-13. */
export const MeanVarianceNormalization = defineOp({
  type: 'MeanVarianceNormalization',
  since: 9,
  attrs: { axes: ints() },
  infer({ x: [x], a, fail }) {
    axesIn(a.axes ?? [0, 2, 3], x.shape.length, fail)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad: 'expand',
  expand({ x: [x], a }) {
    const axes = (a.axes ?? [0, 2, 3]).map((i) => axisOf(i, x.rank)).sort((p, q) => p - q)
    const rest = x.shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]))
    const perm = [...rest, ...axes]
    const [z] = standardize(wide(x).transpose(perm), rest.length, MVN_EPSILON)
    return [z.like(x).transpose(x.shape.map((_, i) => perm.indexOf(i)))]
  },
  cost: ({ x: [x] }) => 7 * sizeOf(x.shape),
  channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
  examples: [{ x: [[2, 3, 2, 3]] }, { x: [[2, 3, 2, 3]], a: { axes: [2, 3] } }],
})

/** Euclidean norm along an axis, kept as 1. */
const length = (x: Tensor, axes: readonly number[]): Tensor =>
  x.b.opset >= 18 ? x.emit('ReduceL2', [x.b.ints(axes)]) : x.emit('ReduceL2', [], { axes })

/** y = x / ||x||_p along an axis, 0 where the norm is 0; p is 1 or 2. Spec: onnx LpNormalization-22. */
export const LpNormalization = defineOp({
  type: 'LpNormalization',
  since: 1,
  attrs: { axis: int(-1), p: int(2) },
  infer({ x: [x], a, fail }) {
    axisIn(a.axis, x.shape.length, fail)
    if (a.p !== 1 && a.p !== 2) fail(`norm of order ${a.p}, expected 1 or 2`)
    if (!isFloat(x.dtype)) fail(`input of type ${x.dtype}, expected floats`)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad: 'expand',
  expand({ x: [x], a }) {
    const axis = [axisOf(a.axis, x.rank)]
    const norm = a.p === 1 ? x.abs().sum(axis, true) : length(x, axis)
    return [x.div(norm.add(norm.equal(0).like(norm)))]
  },
  cost: ({ x: [x] }) => 3 * sizeOf(x.shape),
  channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
  examples: [
    { x: [[3, 4]], away: [0] },
    { x: [[2, 3, 4]], a: { axis: 1, p: 1 }, away: [0] },
    { x: [[3, 2]], a: { axis: 0, p: 2 }, away: [0] },
  ],
})

/**
 * y = x / (bias + alpha / size * sum of x^2 over the `size` channels around)^beta. Spec: onnx LRN-13; Krizhevsky et al. 2012, section 3.3.
 * The sum over neighbours is a product with a banded matrix, whose gradient is the same product.
 */
export const LRN = defineOp({
  type: 'LRN',
  since: 1,
  attrs: { alpha: float(1e-4), beta: float(0.75), bias: float(1), size: int(1) },
  infer({ x: [x], a, fail }) {
    if (x.shape.length < 3) fail(`input of rank ${x.shape.length}, expected at least 3 ([N, C, ...])`)
    if (a.size < 1) fail(`size ${a.size}, expected at least 1`)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad: 'expand',
  expand({ b, x: [x], a }) {
    const [n, c] = [x.shape[0]!, x.shape[1]!]
    const [before, after] = [Math.floor((a.size - 1) / 2), Math.ceil((a.size - 1) / 2)]
    const band = Array.from({ length: c * c }, (_, i) => {
      const [to, from] = [Math.floor(i / c), i % c]
      return from >= to - before && from <= to + after ? a.alpha / a.size : 0
    })
    const squares = x.square().reshape([n, c, x.size / (n * c)])
    const sums = b.array(x.dtype, [1, c, c], band).matmul(squares).reshape(x.shape)
    return [x.mul(sums.add(a.bias).pow(-a.beta))]
  },
  cost: ({ x: [x], a }) => (a.size + 5) * sizeOf(x.shape),
  channels: () => [{ a: ['x0', 1], b: ['y0', 1] }],
  examples: [
    { x: [[2, 5, 3, 2]], a: { size: 3, alpha: 0.3, beta: 0.75, bias: 1.5 } },
    { x: [[1, 4, 2, 2]], a: { size: 5 } },
  ],
})
