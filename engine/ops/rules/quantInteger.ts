import { broadcast, dataTypeOf, showShape, sizeOf, type DataType } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp, type InferContext, type Slots, type TensorType } from '../rule.ts'
import { MICROSOFT, ON_INTEGERS } from '../support/contrib.ts'
import { convAttrs, geometry } from '../support/spatial.ts'

const codes = (dtype: DataType, shape: readonly number[], values: readonly number[]) => ({ shape, dtype, values })
const scale = (value: number) => ({ shape: [], values: [value], dtype: 'float32' as const })

function matrixProduct(p: TensorType, q: TensorType, dtype: DataType, fail: (message: string) => never): TensorType[] {
  if (p.shape.length < 2 || q.shape.length < 2 || p.shape.at(-1) !== q.shape.at(-2))
    fail(`${showShape(p.shape)} by ${showShape(q.shape)} is no matrix product`)
  const lead = broadcast(p.shape.slice(0, -2), q.shape.slice(0, -2)) ?? fail('batch axes do not broadcast')
  return [{ dtype, shape: [...lead, p.shape.at(-2)!, q.shape.at(-1)!] }]
}

const matrixCost = ({ x: [p], y: [y] }: { x: Slots<TensorType>; y: Slots<TensorType> }) => 2 * sizeOf(y.shape) * p.shape.at(-1)!
const channels = () => []

type ConvInfer = InferContext<Parameters<typeof geometry>[2] & { readonly group: number }>

function convolved({ a, fail }: Pick<ConvInfer, 'a' | 'fail'>, x: TensorType, w: TensorType, dtype: DataType): TensorType[] {
  if (x.shape[1] !== w.shape[1]! * a.group) fail(`${x.shape[1]} channels for weights of ${w.shape[1]} in ${a.group} groups`)
  return [{ dtype, shape: [x.shape[0]!, w.shape[0]!, ...geometry(x.shape.slice(2), w.shape.slice(2), a).out] }]
}

/** (A - a0) (B - b0) in int32. */
export const MatMulInteger = defineOp({
  type: 'MatMulInteger',
  since: 10,
  attrs: {},
  infer: ({ x: [p, q], fail }) => matrixProduct(p, q, 'int32', fail),
  grad: ON_INTEGERS,
  straightThrough: true,
  cost: matrixCost,
  channels,
  examples: [
    { x: [codes('uint8', [2, 3], [1, 2, 3, 4, 5, 6]), codes('int8', [3, 2], [1, -2, 3, -4, 5, -6]), codes('uint8', [], [3])] },
  ],
})

/** Convolution of integers, in int32. */
export const ConvInteger = defineOp({
  type: 'ConvInteger',
  since: 10,
  attrs: convAttrs,
  infer: (ctx) => convolved(ctx, ctx.x[0], ctx.x[1], 'int32'),
  grad: ON_INTEGERS,
  straightThrough: true,
  cost: ({ x: [, w], y: [y] }) => 2 * sizeOf(y.shape) * sizeOf(w.shape.slice(1)),
  channels,
  examples: [
    {
      x: [codes('uint8', [1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]), codes('uint8', [1, 1, 2, 2], [1, 2, 3, 4])],
      a: { pads: [1, 0, 0, 1] },
    },
  ],
})

/** Quantized product of quantized matrices: a, its scale and zero point, b with the same, then those of the output. */
export const QLinearMatMul = defineOp({
  type: 'QLinearMatMul',
  since: 10,
  attrs: {},
  infer: ({ x, fail }) => matrixProduct(x[0], x[3], x[7]!.dtype, fail),
  grad: ON_INTEGERS,
  straightThrough: true,
  cost: matrixCost,
  channels,
  examples: [
    {
      x: [
        codes('uint8', [2, 3], [1, 2, 3, 4, 5, 6]),
        scale(0.1),
        codes('uint8', [], [3]),
        codes('int8', [3, 2], [1, -2, 3, -4, 5, -6]),
        scale(0.2),
        codes('int8', [], [0]),
        scale(0.05),
        codes('uint8', [], [7]),
      ],
    },
  ],
})

/** Quantized convolution; operands as in QLinearMatMul, then an int32 bias. */
export const QLinearConv = defineOp({
  type: 'QLinearConv',
  since: 10,
  attrs: convAttrs,
  infer: (ctx) => convolved(ctx, ctx.x[0], ctx.x[3], ctx.x[7]!.dtype),
  grad: ON_INTEGERS,
  straightThrough: true,
  cost: ({ x: [, , , w], y: [y] }) => 2 * sizeOf(y.shape) * sizeOf(w.shape.slice(1)),
  channels,
  examples: [
    {
      x: [
        codes('uint8', [1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        scale(0.1),
        codes('uint8', [], [3]),
        codes('uint8', [2, 1, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]),
        scale(0.2),
        codes('uint8', [], [4]),
        scale(0.05),
        codes('uint8', [], [7]),
        codes('int32', [2], [10, -10]),
      ],
    },
  ],
})

/** uint8 codes of a tensor, with the scale and zero point of its own range. */
export const DynamicQuantizeLinear = defineOp({
  type: 'DynamicQuantizeLinear',
  since: 11,
  attrs: {},
  infer: ({ x: [x], outputs }) =>
    [
      { dtype: 'uint8' as const, shape: x.shape },
      { dtype: 'float32' as const, shape: [] },
      { dtype: 'uint8' as const, shape: [] },
    ].slice(0, outputs),
  grad: { none: 'its scale is that of each batch, for the integer operators that follow; the same model in floats can be trained' },
  straightThrough: true,
  cost: ({ x: [x] }) => 5 * sizeOf(x.shape),
  channels,
  examples: [{ x: [{ shape: [2, 3], dtype: 'float32' }], outputs: 3 }],
})

/** A product with weights that are quantized, and activations that are quantized on the way. Inputs: A, B, scale of B, zero point, bias. */
export const DynamicQuantizeMatMul = defineOp({
  type: 'DynamicQuantizeMatMul',
  domain: MICROSOFT,
  since: 1,
  attrs: {},
  infer: ({ x: [p, q], fail }) => matrixProduct(p, q, p.dtype, fail),
  grad: ON_INTEGERS,
  cost: matrixCost,
  channels,
  examples: [{ x: [{ shape: [2, 3], dtype: 'float32' }, codes('int8', [3, 2], [1, -2, 3, -4, 5, -6]), scale(0.1)] }],
})

/** A product of integers, scaled to floats. Inputs: A, B, their scales, their zero points, bias. */
export const MatMulIntegerToFloat = defineOp({
  type: 'MatMulIntegerToFloat',
  domain: MICROSOFT,
  since: 1,
  attrs: {},
  infer: ({ x: [p, q, s], fail }) => matrixProduct(p, q, s.dtype, fail),
  grad: ON_INTEGERS,
  cost: matrixCost,
  channels,
  examples: [
    { x: [codes('uint8', [2, 3], [1, 2, 3, 4, 5, 6]), codes('int8', [3, 2], [1, -2, 3, -4, 5, -6]), scale(0.1), scale(0.2)] },
  ],
})

/** A table of quantized rows, looked up and dequantized. */
export const GatherBlockQuantized = defineOp({
  type: 'GatherBlockQuantized',
  domain: MICROSOFT,
  since: 1,
  attrs: { gather_axis: int(0), quantize_axis: int(1), block_size: int(128), bits: int(4) },
  infer({ x: [x, index, scales], a }) {
    // Two 4-bit codes in a byte, along the last axis.
    const packed = dataTypeOf(2) === x.dtype && a.bits === 4 ? 2 : 1
    const shape = x.shape.map((d, i) => (i === x.shape.length - 1 ? d * packed : d))
    return [{ dtype: scales.dtype, shape: [...shape.slice(0, a.gather_axis), ...index.shape, ...shape.slice(a.gather_axis + 1)] }]
  },
  grad: { none: 'its table is quantized, so it is frozen' },
  cost: ({ y: [y] }) => 2 * sizeOf(y.shape),
  channels,
  examples: [
    {
      x: [
        codes(
          'uint8',
          [3, 16],
          Array.from({ length: 48 }, (_, i) => (i * 37) % 256),
        ),
        codes('int64', [2], [2, 0]),
        { shape: [3, 2], dtype: 'float32' },
      ],
      a: { block_size: 16 },
    },
  ],
})
