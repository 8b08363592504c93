import { sizeOf } from '../../ir/index.ts'
import { ints } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { knownValues } from '../support/values.ts'

const ints64 = (shape: readonly number[], values: readonly number[]) => ({ shape, dtype: 'int64' as const, values })

/** Size before the pooling, where it is not given. */
function unpooled(
  x: { shape: readonly number[] },
  a: { kernel_shape: readonly number[] | undefined; strides: readonly number[] | undefined; pads: readonly number[] | undefined },
): number[] {
  const n = x.shape.length - 2
  const size = x.shape
    .slice(2)
    .map((d, i) => (d - 1) * (a.strides?.[i] ?? 1) + a.kernel_shape![i]! - (a.pads?.[i] ?? 0) - (a.pads?.[i + n] ?? 0))
  return [...x.shape.slice(0, 2), ...size]
}

/** Puts each value where its flat index says, zeros elsewhere: undoes a max pooling. Inputs x, indices, output_shape. Spec: onnx MaxUnpool-22. */
export const MaxUnpool = defineOp({
  type: 'MaxUnpool',
  since: 9,
  attrs: { kernel_shape: ints(), strides: ints(), pads: ints() },
  infer({ x: [x, at], a, opt, known, fail }) {
    const n = x.shape.length - 2
    if (a.kernel_shape?.length !== n) fail(`kernel_shape has ${a.kernel_shape?.length ?? 0} entries for ${n} spatial axes`)
    if (sizeOf(x.shape) !== sizeOf(at.shape)) fail(`${sizeOf(at.shape)} indices for ${sizeOf(x.shape)} values`)
    return [{ dtype: x.dtype, shape: opt(2) ? known(2, 'output_shape') : unpooled(x, a) }]
  },
  grad: ({ x: [x, at], dy: [dy] }) => [
    dy
      .reshape([dy.size])
      .gatherElements(at.reshape([at.size]), 0)
      .reshape(x.shape),
  ],
  expand({ b, x, a }) {
    const [data, at] = x
    const shape = knownValues(x)(2) ?? unpooled(data, a)
    const flat = b
      .zeros([sizeOf(shape)], data.dtype)
      .emit('ScatterElements', [at.reshape([at.size]), data.reshape([data.size])], { axis: 0 })
    return [flat.reshape(shape)]
  },
  cost: ({ x: [x] }) => sizeOf(x.shape),
  channels: () => [{ a: ['x0', 1], b: ['y0', 1] }],
  examples: [
    {
      x: [[1, 2, 2, 2], ints64([1, 2, 2, 2], [5, 7, 12, 15, 16, 18, 29, 31])],
      a: { kernel_shape: [2, 2], strides: [2, 2] },
    },
    {
      x: [[1, 1, 2, 2], ints64([1, 1, 2, 2], [5, 7, 12, 15]), ints64([4], [1, 1, 5, 5])],
      a: { kernel_shape: [2, 2], strides: [2, 2] },
    },
    { x: [[1, 2, 3], ints64([1, 2, 3], [0, 3, 4, 7, 8, 11])], a: { kernel_shape: [2], strides: [2] } },
  ],
})
