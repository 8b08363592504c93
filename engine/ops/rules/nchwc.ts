import { int, ints, string } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { geometry } from '../support/spatial.ts'

/** Domain of ONNX Runtime's blocked kernels. They exist on CPUs whose block size was probed; lowering alone emits them. */
export const nchwcDomain = 'com.microsoft.nchwc'
const windowAttrs = { kernel_shape: ints(), strides: ints(), dilations: ints(), pads: ints(), auto_pad: string('NOTSET') }
const lowered = { none: 'blocked kernels are written after differentiation' } as const

/** [N, C, H, W] to the blocked layout, under the same logical shape. C must be a multiple of the block. */
export const ReorderInput = defineOp({
  type: 'ReorderInput',
  domain: nchwcDomain,
  since: 1,
  attrs: { channels_last: int(0) },
  infer: ({ x: [x] }) => [{ dtype: x.dtype, shape: x.shape }],
  grad: lowered,
  examples: [],
})

/** The blocked layout back to [N, channels, H, W]. */
export const ReorderOutput = defineOp({
  type: 'ReorderOutput',
  domain: nchwcDomain,
  since: 1,
  attrs: { channels: int(0), channels_last: int(0) },
  infer: ({ x: [x], a }) => [{ dtype: x.dtype, shape: [x.shape[0]!, a.channels, ...x.shape.slice(2)] }],
  grad: lowered,
  examples: [],
})

/** Convolution on blocked data with a blocked weight under its logical shape [O, I, h, w]. */
export const BlockedConv = defineOp({
  type: 'Conv',
  domain: nchwcDomain,
  since: 1,
  attrs: { ...windowAttrs, group: int(1), activation: string() },
  infer: ({ x: [x, w], a }) => [
    { dtype: x.dtype, shape: [x.shape[0]!, w.shape[0]!, ...geometry(x.shape.slice(2), w.shape.slice(2), a).out] },
  ],
  grad: lowered,
  cost: ({ x: [, w], y: [y] }) => 2 * [...y.shape, ...w.shape.slice(1)].reduce((n, d) => n * d, 1),
  examples: [],
})

/** Mean over all positions of blocked data: [N, C, 1, 1]. */
export const BlockedGlobalAveragePool = defineOp({
  type: 'GlobalAveragePool',
  domain: nchwcDomain,
  since: 1,
  attrs: {},
  infer: ({ x: [x] }) => [{ dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]!, 1, 1] }],
  grad: lowered,
  examples: [],
})

/** Largest value of each window of blocked data. */
export const BlockedMaxPool = defineOp({
  type: 'MaxPool',
  domain: nchwcDomain,
  since: 1,
  attrs: { ...windowAttrs, ceil_mode: int(0), storage_order: int(0) },
  infer: ({ x: [x], a }) => [
    {
      dtype: x.dtype,
      shape: [...x.shape.slice(0, 2), ...geometry(x.shape.slice(2), a.kernel_shape ?? [], a, a.ceil_mode !== 0).out],
    },
  ],
  grad: lowered,
  examples: [],
})

/** Nearest enlargement of blocked data by whole factors. */
export const BlockedUpsample = defineOp({
  type: 'Upsample',
  domain: nchwcDomain,
  since: 1,
  attrs: { scales: ints(), mode: string('nearest'), coordinate_transformation_mode: string('asymmetric') },
  infer: ({ x: [x], a }) => [{ dtype: x.dtype, shape: x.shape.map((d, i) => d * a.scales![i]!) }],
  grad: lowered,
  examples: [],
})

/** Mean of each window of blocked data. */
export const BlockedAveragePool = defineOp({
  type: 'AveragePool',
  domain: nchwcDomain,
  since: 1,
  attrs: { ...windowAttrs, ceil_mode: int(0), count_include_pad: int(0) },
  infer: ({ x: [x], a }) => [
    {
      dtype: x.dtype,
      shape: [...x.shape.slice(0, 2), ...geometry(x.shape.slice(2), a.kernel_shape ?? [], a, a.ceil_mode !== 0).out],
    },
  ],
  grad: lowered,
  examples: [],
})
