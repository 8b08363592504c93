import { int, ints, string } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { geometry } from '../support/spatial.ts'

/** Domain of ONNX Runtime's blocked kernels. They exist on CPUs whose block size was probed; lowering alone emits them. */
export const nchwcDomain = 'com.microsoft.nchwc'
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
  attrs: {
    kernel_shape: ints(),
    strides: ints(),
    dilations: ints(),
    pads: ints(),
    group: int(1),
    auto_pad: string('NOTSET'),
    activation: string(),
  },
  infer: ({ x: [x, w], a }) => [
    { dtype: x.dtype, shape: [x.shape[0]!, w.shape[0]!, ...geometry(x.shape.slice(2), w.shape.slice(2), a).out] },
  ],
  grad: lowered,
  cost: ({ x: [, w], y: [y] }) => 2 * [...y.shape, ...w.shape.slice(1)].reduce((n, d) => n * d, 1),
  examples: [],
})
