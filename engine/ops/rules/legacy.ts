import { showShape, sizeOf } from '../../ir/index.ts'
import { float, int, ints } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import { tieAxes } from '../support/axes.ts'
import { unary } from '../support/elementwise.ts'

/**
 * Operators of the first opsets that ONNX Runtime still runs. They are written in others at once, so that no node of theirs reaches a graph that has
 * no definition for it.
 */

interface CropAttrs {
  readonly border: readonly number[] | undefined
  readonly scale: readonly number[] | undefined
}

function cropped(x: Tensor, a: CropAttrs): Tensor {
  const [left, top, right, bottom] = a.border as [number, number, number, number]
  const [height, width] = a.scale ?? [x.shape[2]! - top - bottom, x.shape[3]! - left - right]
  return x.slice([top, left], [top + height!, left + width!], [2, 3])
}

/** Images [N, C, H, W] without a border (left, top, right, bottom), or (with `scale`) of a given height and width from its corner on. */
export const Crop = defineOp({
  type: 'Crop',
  since: 1,
  attrs: { border: ints(), scale: ints() },
  infer({ x: [x], a, fail }) {
    const [left, top, right, bottom] = a.border?.length === 4 ? a.border : fail('the border needs 4 sizes')
    if (x.shape.length !== 4) fail(`expected [N, C, H, W], found ${showShape(x.shape)}`)
    const [n, c, h, w] = x.shape as [number, number, number, number]
    const [height, width] = a.scale ?? [h - top! - bottom!, w - left! - right!]
    if (height! < 1 || width! < 1 || top! + height! > h || left! + width! > w) fail(`nothing is left of ${showShape(x.shape)}`)
    return [{ dtype: x.dtype, shape: [n, c, height!, width!] }]
  },
  grad: 'expand',
  expand: ({ x: [x], a }) => [cropped(x, a)],
  simplify: ({ x: [x], a }) => cropped(x, a),
  cost: () => 0,
  channels: ({ x: [x] }) => tieAxes(x.shape.length, (i) => i < 2),
  examples: [
    { x: [[1, 2, 5, 6]], a: { border: [1, 0, 2, 1] } },
    { x: [[1, 2, 5, 6]], a: { border: [1, 2, 0, 0], scale: [2, 3] } },
  ],
})

/** y = scale x. */
export const Scale = unary('Scale', {
  since: 1,
  attrs: { scale: float(1) },
  flops: 1,
  grad: ({ dy: [dy], a }) => dy.mul(a.scale),
  simplify: ({ x: [x], a }) => x.mul(a.scale),
  examples: [{ x: [[2, 3]], a: { scale: 0.5 } }],
})

/** y = alpha tanh(beta x). */
export const ScaledTanh = unary('ScaledTanh', {
  since: 1,
  attrs: { alpha: float(1), beta: float(1) },
  flops: 8,
  grad: ({ x: [x], dy: [dy], a }) => dy.mul(x.mul(a.beta).tanh().square().rsub(1)).mul(a.alpha * a.beta),
  simplify: ({ x: [x], a }) => x.mul(a.beta).tanh().mul(a.alpha),
  examples: [{ x: [[2, 3]], a: { alpha: 0.5, beta: 2 } }],
})

/** y = alpha log(1 + exp(beta x)). */
export const ParametricSoftplus = unary('ParametricSoftplus', {
  since: 1,
  attrs: { alpha: float(1), beta: float(1) },
  flops: 10,
  grad: ({ x: [x], dy: [dy], a }) => dy.mul(x.mul(a.beta).sigmoid()).mul(a.alpha * a.beta),
  simplify: ({ x: [x], a }) => x.mul(a.beta).softplus().mul(a.alpha),
  examples: [{ x: [[2, 3]], a: { alpha: 0.5, beta: 2 } }],
})

/** The name of ScatterElements in opsets 9 and 10, where indices do not count from the end. */
export const Scatter = defineOp({
  type: 'Scatter',
  since: 9,
  attrs: { axis: int(0) },
  infer: ({ x: [x] }) => [{ dtype: x.dtype, shape: x.shape }],
  grad: 'expand',
  expand: ({ x: [x, index, updates], a }) => [x.emit('ScatterElements', [index, updates], { axis: a.axis })],
  simplify: ({ x: [x, index, updates], a }) => x.emit('ScatterElements', [index, updates], { axis: a.axis }),
  cost: ({ x: [, , updates] }) => sizeOf(updates.shape),
  channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
  examples: [{ x: [[3, 3], { shape: [2, 3], dtype: 'int64', values: [0, 2, 1, 2, 0, 0] }, [2, 3]] }],
})
