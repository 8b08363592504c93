import { int } from '../attrs.ts'
import { defineOp, PRIVATE, type InferContext, type Tie } from '../rule.ts'
import { geometry, spatialAttrs, type Geometry, type SpatialAttrs } from '../support/spatial.ts'
import { spreadWindows, sumWindows, windowCounts } from '../support/windows.ts'
import type { Tensor } from '../tensor.ts'

const product = (list: readonly number[]) => list.reduce((n, d) => n * d, 1)
const sameChannels = (): Tie[] => [{ a: ['x0', 1], b: ['y0', 1] }]
const maxAttrs = { ...spatialAttrs, ceil_mode: int(0), storage_order: int(0) }

const window = (x: { shape: readonly number[] }, a: SpatialAttrs & { ceil_mode: number }): Geometry =>
  geometry(x.shape.slice(2), a.kernel_shape ?? [], a, a.ceil_mode !== 0)

function pooled({ x: [x], a, fail }: InferContext<SpatialAttrs & { ceil_mode: number }>): number[] {
  if (x.shape.length < 3) fail(`input of rank ${x.shape.length}, expected at least 3`)
  if (a.kernel_shape?.length !== x.shape.length - 2)
    fail(`kernel_shape has ${a.kernel_shape?.length ?? 0} entries for ${x.shape.length - 2} spatial axes`)
  const { out } = window(x, a)
  if (out.some((o) => o < 1)) fail('the window is larger than the padded input')
  return [...x.shape.slice(0, 2), ...out]
}

/** Largest value of each window. Second output: flat index of it in x. Spec: onnx MaxPool-12. */
export const MaxPool = defineOp({
  type: 'MaxPool',
  since: 12,
  attrs: maxAttrs,
  infer(ctx) {
    const shape = pooled(ctx)
    return [
      { dtype: ctx.x[0].dtype, shape },
      { dtype: 'int64' as const, shape },
    ].slice(0, ctx.outputs)
  },
  grad: ({ x: [x], dy: [dy], a }) => [x.emit('MaxPoolGrad', [dy], { ...a }, { domain: PRIVATE })],
  cost: ({ y: [y], a }) => product(y.shape) * product(a.kernel_shape ?? []),
  channels: sameChannels,
  quant: { inputs: [0] },
  examples: [
    { x: [{ shape: [2, 2, 6, 6], distinct: true }], a: { kernel_shape: [2, 2], strides: [2, 2] } },
    { x: [{ shape: [1, 3, 7, 6], distinct: true }], a: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
    { x: [{ shape: [1, 2, 7, 7], distinct: true }], a: { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 } },
    { x: [{ shape: [1, 2, 9], distinct: true }], a: { kernel_shape: [2], dilations: [3] } },
    {
      x: [{ shape: [1, 2, 6, 5], distinct: true }],
      a: { kernel_shape: [3, 2], auto_pad: 'SAME_LOWER', storage_order: 1 },
      outputs: 2,
    },
    {
      x: [{ shape: [1, 2, 5, 6, 5], distinct: true }],
      a: { kernel_shape: [2, 2, 2], strides: [2, 2, 2], pads: [1, 0, 0, 0, 1, 1], ceil_mode: 1 },
      outputs: 2,
    },
    { x: [{ shape: [1, 2, 6, 6], distinct: true }], a: { kernel_shape: [2, 2], auto_pad: 'VALID', strides: [3, 2], ceil_mode: 1 } },
  ],
})

/** Sends dy to the largest element of each window of x; linear in dy. Inputs x, dy; output like x. */
export const MaxPoolGrad = defineOp({
  type: 'MaxPoolGrad',
  domain: PRIVATE,
  since: 1,
  attrs: maxAttrs,
  infer: ({ x: [x] }) => [{ dtype: x.dtype, shape: x.shape }],
  grad: ({ x: [x], dy: [v], a }) => [null, x.emit('MaxPoolSelect', [v], { ...a }, { domain: PRIVATE })],
  cost: ({ x: [, dy] }) => product(dy.shape),
  examples: [],
})

/** Reads v where each window of x is largest; the adjoint of MaxPoolGrad. Inputs x, v (like x); output like the pooled x. */
export const MaxPoolSelect = defineOp({
  type: 'MaxPoolSelect',
  domain: PRIVATE,
  since: 1,
  attrs: maxAttrs,
  infer: (ctx) => [{ dtype: ctx.x[0].dtype, shape: pooled(ctx) }],
  grad: ({ x: [x], dy: [dy], a }) => [null, x.emit('MaxPoolGrad', [dy], { ...a }, { domain: PRIVATE })],
  cost: ({ y: [y] }) => product(y.shape),
  examples: [],
})

const counts = (x: Tensor, g: Geometry, a: { count_include_pad: number }): Tensor =>
  x.b.array(x.dtype, [1, 1, ...g.out], windowCounts(x.shape.slice(2), g, a.count_include_pad !== 0))

/** Mean of each window. Spec: onnx AveragePool-19 (and 7, 10, 11, whose attributes are a subset). */
export const AveragePool = defineOp({
  type: 'AveragePool',
  since: 7,
  attrs: { ...spatialAttrs, ceil_mode: int(0), count_include_pad: int(0) },
  infer: (ctx) => [{ dtype: ctx.x[0].dtype, shape: pooled(ctx) }],
  // Each output spreads dy / count over its window: the adjoint of a convolution with ones, channel by channel.
  grad({ x: [x], dy: [dy], a }) {
    const g = window(x, a)
    return [spreadWindows(dy.div(counts(x, g, a)), x.shape.slice(2), g)]
  },
  expand({ x: [x], a }) {
    const g = window(x, a)
    return [sumWindows(x, g).div(counts(x, g, a))]
  },
  cost: ({ y: [y], a }) => product(y.shape) * product(a.kernel_shape ?? []),
  channels: sameChannels,
  quant: { inputs: [0] },
  examples: [
    { x: [[2, 2, 6, 6]], a: { kernel_shape: [2, 2], strides: [2, 2] } },
    { x: [[1, 3, 7, 6]], a: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] } },
    { x: [[1, 3, 7, 6]], a: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 } },
    { x: [[1, 2, 7]], a: { kernel_shape: [2], strides: [2], ceil_mode: 1 } },
    { x: [[1, 2, 7, 6]], a: { kernel_shape: [2, 3], dilations: [3, 2], pads: [1, 1, 0, 1] } },
    { x: [[1, 2, 6, 6]], a: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], ceil_mode: 1, count_include_pad: 1 } },
    { x: [[1, 2, 6, 6]], a: { kernel_shape: [3, 3], strides: [3, 3], pads: [1, 1, 1, 1], ceil_mode: 1, count_include_pad: 1 } },
    { x: [[1, 1, 4, 5, 4]], a: { kernel_shape: [2, 2, 3], strides: [1, 2, 1], auto_pad: 'SAME_LOWER' } },
    { x: [[1, 1, 5, 5]], a: { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_UPPER', count_include_pad: 1 } },
    { x: [[1, 1, 5, 5]], a: { kernel_shape: [2, 3], auto_pad: 'VALID' } },
  ],
})

const spatialAxes = (shape: readonly number[]) => shape.slice(2).map((_, i) => i + 2)

/** Mean over all positions. Spec: onnx GlobalAveragePool-1. */
export const GlobalAveragePool = defineOp({
  type: 'GlobalAveragePool',
  since: 1,
  attrs: {},
  infer: ({ x: [x] }) => [{ dtype: x.dtype, shape: x.shape.map((d, i) => (i < 2 ? d : 1)) }],
  grad: ({ x: [x], dy: [dy] }) => [dy.div(product(x.shape.slice(2))).expand(x.shape)],
  cost: ({ x: [x] }) => product(x.shape),
  channels: sameChannels,
  quant: { inputs: [0] },
  examples: [{ x: [[2, 3, 4, 5]] }, { x: [[1, 2, 6]] }],
})

/** Largest value over all positions; ties share the gradient. Spec: onnx GlobalMaxPool-1. */
export const GlobalMaxPool = defineOp({
  type: 'GlobalMaxPool',
  since: 1,
  attrs: {},
  infer: ({ x: [x] }) => [{ dtype: x.dtype, shape: x.shape.map((d, i) => (i < 2 ? d : 1)) }],
  grad: 'expand',
  expand: ({ x: [x] }) => [x.max(spatialAxes(x.shape), true)],
  cost: ({ x: [x] }) => product(x.shape),
  channels: sameChannels,
  examples: [{ x: [{ shape: [2, 3, 4, 5], distinct: true }] }],
})
