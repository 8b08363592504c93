import { sizeOf } from '../../ir/index.ts'
import { ints } from '../attrs.ts'
import { defineOp, PRIVATE } from '../rule.ts'
import { explicit, geometry } from '../support/spatial.ts'
import { knownValues } from '../support/values.ts'
import type { Tensor } from '../tensor.ts'

interface Attrs {
  readonly dilations: readonly number[] | undefined
  readonly pads: readonly number[] | undefined
  readonly strides: readonly number[] | undefined
}

const window = (image: readonly number[], block: readonly number[], a: Attrs) =>
  geometry(image, block, { ...a, auto_pad: 'NOTSET', kernel_shape: block })

/** One filter for each tap of each channel, [channels * taps, 1, block...], that passes this tap on. */
function pickers(x: Tensor, channels: number, block: readonly number[]): Tensor {
  const k = sizeOf(block)
  const eye = x.b.array(
    x.dtype,
    [1, k, k],
    Array.from({ length: k * k }, (_, i) => (i % (k + 1) === 0 ? 1 : 0)),
  )
  return eye.expand([channels, k, k]).reshape([channels * k, 1, ...block])
}

/**
 * Adds blocks to the image that they were cut from. Inputs x [N, C * block, blocks], image_shape, block_shape. It is the gradient of a
 * convolution that picks each tap of each channel; its own gradient is that convolution. Spec: onnx Col2Im-18.
 */
export const Col2Im = defineOp({
  type: 'Col2Im',
  since: 18,
  attrs: { dilations: ints(), pads: ints(), strides: ints() },
  infer({ x: [x], a, known, fail }) {
    const image = known(1, 'image_shape')
    const block = known(2, 'block_shape')
    const g = window(image, block, a)
    if (x.shape.length !== 3 || x.shape[1]! % sizeOf(block) || x.shape[2] !== sizeOf(g.out))
      fail(`input of shape [${x.shape.join()}], expected [N, C * ${sizeOf(block)}, ${sizeOf(g.out)}]`)
    return [{ dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]! / sizeOf(block), ...image] }]
  },
  grad: 'expand',
  expand({ x, a }) {
    const [data] = x
    const [image, block] = [knownValues(x)(1)!, knownValues(x)(2)!]
    const g = window(image, block, a)
    const channels = data.shape[1]! / sizeOf(block)
    const cut = data.reshape([data.shape[0]!, data.shape[1]!, ...g.out])
    const attrs = { ...explicit(g, channels), input_shape: image }
    return [cut.emit('ConvGradInput', [pickers(data, channels, block)], attrs, { domain: PRIVATE })]
  },
  cost: ({ x: [x] }) => sizeOf(x.shape),
  channels: ({ x: [x], y: [y] }) => [{ a: ['y0', 1], b: ['x0', 1], repeat: x.shape[1]! / y.shape[1]! }],
  examples: [
    { x: [[1, 4, 9], ...shapes([4, 4], [2, 2])] },
    { x: [[2, 12, 4], ...shapes([5, 6], [2, 3])], a: { strides: [2, 2], pads: [0, 0, 0, 0], dilations: [2, 1] } },
    { x: [[1, 6, 12], ...shapes([4, 3], [3, 1])], a: { pads: [1, 0, 1, 0] } },
    { x: [[1, 8, 4], ...shapes([2, 3, 3], [2, 2, 2])] },
  ],
})

function shapes(image: readonly number[], block: readonly number[]) {
  const constant = (values: readonly number[]) => ({ shape: [values.length], dtype: 'int64' as const, values })
  return [constant(image), constant(block)]
}
