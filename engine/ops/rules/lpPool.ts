import { sizeOf } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { geometry, spatialAttrs, type SpatialAttrs } from '../support/spatial.ts'
import { spreadWindows, sumWindows } from '../support/windows.ts'
import type { Tensor } from '../tensor.ts'

const window = (x: { shape: readonly number[] }, a: SpatialAttrs & { ceil_mode: number }) =>
  geometry(x.shape.slice(2), a.kernel_shape ?? [], a, a.ceil_mode !== 0)

/** |x|^(p-1) sign(x), the derivative of |x|^p / p. */
const slope = (x: Tensor, p: number): Tensor =>
  p === 2
    ? x
    : p === 1
      ? x.sign()
      : x
          .abs()
          .pow(p - 1)
          .mul(x.sign())
const orOne = (y: Tensor): Tensor => y.add(y.equal(0).like(y))

/** y = (sum over the window of |x|^p)^(1/p). Where y is 0 its gradient is taken as 0. Spec: onnx LpPool-22. */
export const LpPool = defineOp({
  type: 'LpPool',
  since: 2,
  attrs: { ...spatialAttrs, ceil_mode: int(0), p: int(2) },
  infer({ x: [x], a, fail }) {
    if (x.shape.length < 3) fail(`input of rank ${x.shape.length}, expected at least 3`)
    if (a.kernel_shape?.length !== x.shape.length - 2)
      fail(`kernel_shape has ${a.kernel_shape?.length ?? 0} entries for ${x.shape.length - 2} spatial axes`)
    if (a.p < 1) fail(`norm of order ${a.p}, expected at least 1`)
    const { out } = window(x, a)
    if (out.some((o) => o < 1)) fail('the window is larger than the padded input')
    return [{ dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...out] }]
  },
  // dx = |x|^(p-1) sign(x) * sum over the windows that hold it of dy / y^(p-1).
  grad({ x: [x], y: [y], dy: [dy], a }) {
    const scaled = a.p === 1 ? dy : dy.div(a.p === 2 ? orOne(y) : orOne(y).pow(a.p - 1))
    return [slope(x, a.p).mul(spreadWindows(scaled, x.shape.slice(2), window(x, a)))]
  },
  expand({ x: [x], a }) {
    const powers = a.p === 1 ? x.abs() : a.p === 2 ? x.square() : x.abs().pow(a.p)
    const sums = sumWindows(powers, window(x, a))
    return [a.p === 1 ? sums : a.p === 2 ? sums.sqrt() : sums.pow(1 / a.p)]
  },
  cost: ({ y: [y], a }) => 2 * sizeOf(y.shape) * sizeOf(a.kernel_shape ?? []),
  channels: () => [{ a: ['x0', 1], b: ['y0', 1] }],
  examples: [
    { x: [[2, 2, 6, 6]], a: { kernel_shape: [2, 2], strides: [2, 2] }, away: [0] },
    { x: [[1, 3, 7, 6]], a: { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], p: 1 }, away: [0] },
    { x: [[1, 2, 9]], a: { kernel_shape: [3], p: 3, auto_pad: 'SAME_UPPER' }, away: [0] },
    { x: [[1, 1, 7, 6]], a: { kernel_shape: [2, 3], dilations: [2, 2] }, away: [0] },
    { x: [[1, 1, 4, 4, 5]], a: { kernel_shape: [2, 2, 2], strides: [1, 2, 2], ceil_mode: 1 }, away: [0] },
  ],
})
