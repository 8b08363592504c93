import { broadcast, showShape, sizeOf, type DataType } from '../../ir/index.ts'
import { float, int } from '../attrs.ts'
import type { AttrSpec, AttrValues } from '../attrs.ts'
import { defineOp, type Example, type InferContext, type OpRule, type TensorType } from '../rule.ts'
import { axisIn } from '../support/axes.ts'
import { MICROSOFT, ON_INTEGERS } from '../support/contrib.ts'
import { geometry, spatialAttrs } from '../support/spatial.ts'

const codes = (dtype: DataType, shape: readonly number[], first = 1) => ({
  shape,
  dtype,
  values: Array.from({ length: sizeOf(shape) }, (_, i) => (7 * i + first) % 120),
})
const scale = (value: number) => ({ shape: [], values: [value], dtype: 'float32' as const })
/** A quantized example input: codes, scale, zero point. */
const q = (...shape: number[]) => [codes('uint8', shape), scale(0.1), codes('uint8', [], 3)]
const out = [scale(0.2), codes('uint8', [], 5)]

/** An operator of ONNX Runtime on quantized tensors: each is codes, scale and zero point. It runs, and has no gradient of its own. */
const onIntegers = <S extends AttrSpec>(
  type: string,
  attrs: S,
  shape: (ctx: InferContext<AttrValues<S>>) => readonly number[],
  examples: readonly Example[],
  dtype: (x: readonly TensorType[]) => DataType = (x) => x[0]!.dtype,
): OpRule =>
  defineOp<S>({
    type,
    domain: MICROSOFT,
    since: 1,
    attrs,
    infer: (ctx) => [{ dtype: dtype(ctx.x), shape: shape(ctx) }],
    grad: ON_INTEGERS,
    straightThrough: true,
    cost: ({ y: [y] }) => 4 * sizeOf(y.shape),
    channels: () => [],
    examples,
  })

const binary = (type: string): OpRule =>
  onIntegers(
    type,
    {},
    ({ x, fail }) =>
      broadcast(x[0].shape, x[3].shape) ?? fail(`${showShape(x[0].shape)} and ${showShape(x[3].shape)} do not broadcast`),
    [{ x: [...q(2, 3), ...q(3), ...out] }],
  )
export const QLinearAdd = binary('QLinearAdd')
export const QLinearMul = binary('QLinearMul')

const same = ({ x: [x] }: { x: readonly [TensorType, ...TensorType[]] }) => x.shape
export const QLinearSigmoid = onIntegers('QLinearSigmoid', {}, same, [{ x: [...q(2, 3), scale(0.004), codes('uint8', [], 0)] }])
export const QLinearLeakyRelu = onIntegers('QLinearLeakyRelu', { alpha: float(0.01) }, same, [{ x: [...q(2, 3), ...out] }])
export const QLinearSoftmax = onIntegers('QLinearSoftmax', { axis: int(-1), opset: int(13) }, same, [
  { x: [...q(2, 3), scale(0.004), codes('uint8', [], 0)], a: { opset: 13 } },
])

export const QLinearGlobalAveragePool = onIntegers(
  'QLinearGlobalAveragePool',
  { channels_last: int(0) },
  ({ x: [x], a }) => x.shape.map((d, i) => (i === 0 || i === (a.channels_last ? x.shape.length - 1 : 1) ? d : 1)),
  [{ x: [...q(1, 2, 3, 3), ...out] }],
)

export const QLinearAveragePool = onIntegers(
  'QLinearAveragePool',
  { ...spatialAttrs, ceil_mode: int(0), count_include_pad: int(0), channels_last: int(0) },
  ({ x: [x], a }) => {
    const spatial = a.channels_last ? x.shape.slice(1, -1) : x.shape.slice(2)
    const size = geometry(spatial, a.kernel_shape ?? [], a, a.ceil_mode !== 0).out
    return a.channels_last ? [x.shape[0]!, ...size, x.shape.at(-1)!] : [...x.shape.slice(0, 2), ...size]
  },
  [{ x: [...q(1, 2, 4, 4), ...out], a: { kernel_shape: [2, 2], strides: [2, 2] } }],
)

/** Scale and zero point of the output come first. */
export const QLinearConcat = onIntegers(
  'QLinearConcat',
  { axis: int(0) },
  ({ x, a, fail }) => {
    const parts = x.filter((_: TensorType, i) => i >= 2 && i % 3 === 2)
    const axis = axisIn(a.axis, parts[0]!.shape.length, fail)
    return parts[0]!.shape.map((d, i) => (i === axis ? parts.reduce((n, t) => n + t.shape[axis]!, 0) : d))
  },
  [{ x: [...out, ...q(2, 3), ...q(2, 2)], a: { axis: 1 } }],
  (x) => x[2]!.dtype,
)

/** alpha A' B' + C of integers; floats come out where no scale of the output is given. */
export const QGemm = onIntegers(
  'QGemm',
  { alpha: float(1), transA: int(0), transB: int(0) },
  ({ x, a, fail }) => {
    const [m, k] = a.transA ? [x[0].shape[1]!, x[0].shape[0]!] : [x[0].shape[0]!, x[0].shape[1]!]
    const [k2, n] = a.transB ? [x[3].shape[1]!, x[3].shape[0]!] : [x[3].shape[0]!, x[3].shape[1]!]
    if (k !== k2) fail(`inner sizes differ: ${k} and ${k2}`)
    return [m, n]
  },
  [{ x: [...q(2, 3), ...q(3, 4), codes('int32', [4]), ...out] }, { x: [...q(2, 3), ...q(4, 3)], a: { transB: 1 } }],
  (x) => x[8]?.dtype ?? 'float32',
)
