import { dataTypeOf, isFloat, sizeOf, type DataType } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp, type GradContext, type InferContext, type OpRule, type Slots, type TensorType } from '../rule.ts'
import { where, type Tensor } from '../tensor.ts'
import { fault, tieAxes } from '../support/axes.ts'
import { MICROSOFT } from '../support/contrib.ts'
import { gatherSums, layoutOf, QUANTIZED, spread } from '../support/quantize.ts'

const attrs = { axis: int(1), block_size: int(0), output_dtype: int(0), saturate: int(1), precision: int(0) }
interface Attrs {
  readonly axis: number
  readonly block_size: number
  readonly output_dtype: number
}

const scales = (shape: readonly number[], range: readonly [number, number] = [0.1, 0.5]) => ({ shape, range })
const codes = (dtype: DataType, shape: readonly number[], values: readonly number[]) => ({ shape, dtype, values })

/** Element type that a call quantizes to: that of the zero point, or the attribute's, or uint8. */
function target({ a, opt, fail }: Pick<InferContext<Attrs>, 'a' | 'opt' | 'fail'>): DataType {
  const given = a.output_dtype ? dataTypeOf(a.output_dtype) : undefined
  const zero = opt(2)?.dtype
  if (given && zero && given !== zero) fail(`output_dtype is ${given}, the zero point is ${zero}`)
  return zero ?? given ?? 'uint8'
}

/**
 * Gradient of q = saturate(round(x / s) + z), where rounding counts as the identity (Bengio, Leonard & Courville 2013): inside of the range
 * dx = dq / s and ds = -dq x / s^2; outside both are 0. Together with that of dequantization the scale gets dy (q - z - x / s) inside and
 * dy (q - z) outside, as in Esser et al. 2020 (LSQ), equation 3, without its factor for the step length.
 */
function quantizeGrad({ x: [x, scale], y: [y], dy: [dq], a, need, opt }: GradContext<Attrs>) {
  const layout = layoutOf(x, scale, a.axis, a.block_size, fault)
  const s = spread(scale, x.shape, layout).like(x)
  const zero = opt(2)
  const ratio = x.div(s)
  const position = zero && !isFloatCode(y.dtype) ? ratio.add(spread(zero.like(x), x.shape, layout)) : ratio
  const [lo, hi] = QUANTIZED[y.dtype]!
  const inside = position.greaterOrEqual(lo).emit('And', [position.lessOrEqual(hi)])
  const dx = where(inside, dq.like(x).div(s), x.b.scalar(0, x.dtype))
  return [need[0] ? dx : null, need[1] ? gatherSums(dx.mul(ratio).neg(), scale.shape, layout).like(scale) : null]
}

const isFloatCode = (dtype: DataType): boolean => dtype.startsWith('float')

/** Gradient of y = (q - z) s: dq = dy s, ds = dy (q - z), summed over what shares the scale. */
function dequantizeGrad({ x: [q, scale], y: [y], dy: [dy], a, need }: GradContext<Attrs>) {
  const layout = layoutOf(q, scale, a.axis, a.block_size, fault)
  const s = spread(scale, q.shape, layout).like(dy)
  return [need[0] ? dy.mul(s) : null, need[1] ? gatherSums(dy.mul(y.div(s)), scale.shape, layout).like(scale) : null]
}

/** Parameters of a quantization. */
export interface Quantization {
  readonly scale: Tensor
  readonly zero: Tensor | undefined
  readonly axis: number
  readonly block: number
}

function spreadParameters(x: Tensor, { scale, zero, axis, block }: Quantization) {
  const layout = layoutOf(x, scale, axis, block, fault)
  const over = (t: Tensor) => spread(t.cast(scale.dtype), x.shape, layout)
  return { s: over(scale), z: zero && over(zero) }
}

/**
 * The codes of `to` that x gets, as real numbers and without rounding: clip(x / s + z). Its slope to x is what passes straight through; differences
 * are taken of this function, since those of the staircase say nothing.
 */
export function unroundedCodes(x: Tensor, to: DataType, of: Quantization): Tensor {
  const { s, z } = spreadParameters(x, of)
  const [lo, hi] = QUANTIZED[to] ?? fault(`nothing is quantized to ${to}`)
  return (z ? x.div(s).add(z) : x.div(s)).clip(lo, hi)
}

/** What codes stand for: (q - z) s, in the scale's type. */
export function valuesOfCodes(codes: Tensor, of: Quantization): Tensor {
  const { s, z } = spreadParameters(codes, of)
  const real = codes.cast(of.scale.dtype)
  return (z ? real.sub(z) : real).mul(s)
}

const cost = ({ x: [x] }: { x: Slots<TensorType> }) => 3 * sizeOf(x.shape)
const channels = ({ x: [x] }: { x: Slots<TensorType> }) => tieAxes(x.shape.length, () => true)

function quantize(domain: string, examples: OpRule['examples']): OpRule {
  return defineOp({
    type: 'QuantizeLinear',
    domain,
    since: 10,
    attrs,
    infer(ctx) {
      const [x, scale] = ctx.x
      layoutOf(x, scale, ctx.a.axis, ctx.a.block_size, ctx.fail)
      const dtype = target(ctx)
      if (!QUANTIZED[dtype]) ctx.fail(`nothing is quantized to ${dtype}`)
      return [{ dtype, shape: x.shape }]
    },
    grad: quantizeGrad,
    straightThrough: true,
    cost,
    channels,
    examples,
  })
}

function dequantize(domain: string, examples: OpRule['examples']): OpRule {
  return defineOp({
    type: 'DequantizeLinear',
    domain,
    since: 10,
    attrs,
    infer({ x: [q, scale], a, fail }) {
      layoutOf(q, scale, a.axis, a.block_size, fail)
      const wanted = a.output_dtype ? dataTypeOf(a.output_dtype) : undefined
      const dtype = wanted ?? scale.dtype
      if (!isFloat(dtype)) fail(`dequantized to ${dtype}, expected floats`)
      return [{ dtype, shape: q.shape }]
    },
    grad: dequantizeGrad,
    cost,
    channels,
    examples,
  })
}

const quantized: OpRule['examples'] = [
  { x: [[2, 3], scales([])] },
  { x: [[2, 3, 2], scales([3]), codes('int8', [3], [0, 5, -7])], a: { axis: 1 } },
]
const dequantized: OpRule['examples'] = [
  { x: [codes('uint8', [2, 3], [0, 1, 9, 128, 200, 255]), scales([])] },
  { x: [codes('int8', [2, 3], [0, 1, 9, -128, 20, 127]), scales([3]), codes('int8', [3], [0, 5, -7])], a: { axis: 1 } },
]

/** q = saturate(round(x / scale) + zero point), by tensor, axis or block. Spec: onnx QuantizeLinear-23. */
export const QuantizeLinear = quantize('', [
  ...quantized,
  { x: [[4, 2], scales([2, 2]), codes('uint8', [2, 2], [3, 4, 5, 6])], a: { axis: 0, block_size: 2 } },
  { x: [[2, 5], scales([2, 2])], a: { axis: 1, block_size: 3, output_dtype: 5 } },
])

/** y = (q - zero point) scale, by tensor, axis or block. Spec: onnx DequantizeLinear-23. */
export const DequantizeLinear = dequantize('', [
  ...dequantized,
  {
    x: [codes('int16', [4, 2], [1, -2, 300, 4, 5, 600, 7, 8]), scales([2, 2]), codes('int16', [2, 2], [3, 4, 5, 6])],
    a: { axis: 0, block_size: 2 },
  },
  { x: [codes('uint8', [2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]), scales([2, 2])], a: { axis: 1, block_size: 3 } },
  { x: [codes('int32', [3], [1, -2, 3000]), scales([])] },
])

/** ONNX Runtime's own form, of before the standard had 16-bit types. */
export const QuantizeLinearMicrosoft = quantize(MICROSOFT, quantized)
export const DequantizeLinearMicrosoft = dequantize(MICROSOFT, dequantized)
