import { broadcast, sameShape, showShape, sizeOf } from '../../ir/index.ts'
import { float, floats, string } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { where, type Tensor } from '../tensor.ts'
import { broadcastTies, unary } from '../support/elementwise.ts'

const kink = (...away: number[]) => [
  { x: [[2, 3]], away },
  { x: [[8]], away },
]

/** y = max(x, 0). The mask is taken from y, so the input need not be kept. */
export const Relu = unary('Relu', {
  since: 14,
  flops: 1,
  value: (v) => Math.max(v, 0),
  grad: ({ y: [y], dy: [dy] }) => dy.mul(y.greater(0).like(y)),
  examples: kink(0),
})

/** y = x for x >= 0, else alpha x. */
export const LeakyRelu = unary('LeakyRelu', {
  since: 16,
  attrs: { alpha: float(0.01) },
  flops: 2,
  grad: ({ x: [x], dy: [dy], a }) => where(x.less(0), dy.mul(a.alpha), dy),
  examples: [...kink(0), { x: [[4]], a: { alpha: 0.25 }, away: [0] }],
})

/** y = x for x >= 0, else slope x; the slope broadcasts to x. */
export const PRelu = defineOp({
  type: 'PRelu',
  since: 16,
  attrs: {},
  infer({ x: [x, slope], fail }) {
    if (!sameShape(broadcast(x.shape, slope.shape) ?? [], x.shape))
      fail(`slope ${showShape(slope.shape)} does not broadcast to ${showShape(x.shape)}`)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad({ x: [x, slope], dy: [dy], need }) {
    const below = x.less(0)
    return [need[0] ? where(below, dy.mul(slope), dy) : null, need[1] ? where(below, dy.mul(x), 0) : null]
  },
  cost: ({ y: [y] }) => 2 * sizeOf(y.shape),
  channels: ({ x, y: [y] }) => broadcastTies(x, y),
  examples: [
    {
      x: [
        [2, 3, 4],
        [3, 1],
      ],
      away: [0],
    },
    { x: [[2, 3], [1]], away: [0] },
  ],
})

/** y = x for x >= 0, else alpha (exp x - 1), whose derivative is y + alpha. */
export const Elu = unary('Elu', {
  since: 6,
  attrs: { alpha: float(1) },
  flops: 5,
  grad: ({ x: [x], y: [y], dy: [dy], a }) => where(x.less(0), dy.mul(y.add(a.alpha)), dy),
  examples: [...kink(0), { x: [[4]], a: { alpha: 0.5 }, away: [0] }],
})

/** y = gamma x for x > 0, else gamma alpha (exp x - 1). */
export const Selu = unary('Selu', {
  since: 6,
  attrs: { alpha: float(1.6732632423543772), gamma: float(1.0507009873554805) },
  flops: 6,
  grad: ({ x: [x], y: [y], dy: [dy], a }) => where(x.greater(0), dy.mul(a.gamma), dy.mul(y.add(a.alpha * a.gamma))),
  examples: kink(0),
})

/** y = max(0, x) + min(0, alpha (exp(x / alpha) - 1)). */
export const Celu = unary('Celu', {
  since: 12,
  attrs: { alpha: float(1) },
  flops: 6,
  grad: ({ x: [x], y: [y], dy: [dy], a }) => where(x.less(0), dy.mul(y.mul(1 / a.alpha).add(1)), dy),
  examples: [...kink(0), { x: [[4]], a: { alpha: 0.5 }, away: [0] }],
})

/** y = x for x > alpha, else 0. */
export const ThresholdedRelu = unary('ThresholdedRelu', {
  since: 10,
  attrs: { alpha: float(1) },
  flops: 1,
  grad: ({ x: [x], dy: [dy], a }) => dy.mul(x.greater(a.alpha).like(x)),
  examples: kink(1),
})

/** y = x + bias for x < -lambd, x - bias for x > lambd, else 0. */
export const Shrink = unary('Shrink', {
  since: 9,
  attrs: { lambd: float(0.5), bias: float(0) },
  flops: 2,
  grad: ({ x: [x], dy: [dy], a }) => dy.mul(x.abs().greater(a.lambd).like(x)),
  examples: [{ x: [[2, 3]], a: { lambd: 0.5, bias: 0.25 }, away: [-0.5, 0.5] }],
})

/** y = 1 / (1 + exp(-x)). */
export const Sigmoid = unary('Sigmoid', { flops: 6, grad: ({ y: [y], dy: [dy] }) => dy.mul(y.mul(y.rsub(1))) })

/** y = min(1, max(0, alpha x + beta)). */
export const HardSigmoid = unary('HardSigmoid', {
  since: 6,
  attrs: { alpha: float(0.2), beta: float(0.5) },
  flops: 4,
  grad: ({ y: [y], dy: [dy], a }) => dy.mul(y.greater(0).like(y).mul(y.less(1).like(y))).mul(a.alpha),
  examples: [{ x: [[2, 3]] }, { x: [[8]], a: { alpha: 0.5, beta: 0.25 }, away: [-0.5, 1.5] }],
})

/** y = x min(1, max(0, x / 6 + 1/2)). */
export const HardSwish = unary('HardSwish', {
  since: 14,
  flops: 5,
  grad({ x: [x], dy: [dy] }) {
    const gate = x
      .mul(1 / 6)
      .add(0.5)
      .clip(0, 1)
    const slope = x
      .abs()
      .less(3)
      .like(x)
      .mul(1 / 6)
    return dy.mul(gate.add(x.mul(slope)))
  },
  examples: [{ x: [{ shape: [8], range: [-5, 5] }], away: [-3, 3] }],
})

/** y = x tanh(softplus x). */
export const Mish = unary('Mish', {
  since: 18,
  flops: 14,
  grad({ x: [x], dy: [dy] }) {
    const t = x.softplus().tanh()
    return dy.mul(t.add(x.mul(x.sigmoid()).mul(t.mul(t).rsub(1))))
  },
})

/** y = log(1 + exp x). */
export const Softplus = unary('Softplus', { since: 1, flops: 8, grad: ({ x: [x], dy: [dy] }) => dy.mul(x.sigmoid()) })

/** y = x / (1 + |x|). */
export const Softsign = unary('Softsign', {
  since: 1,
  flops: 3,
  grad: ({ x: [x], dy: [dy] }) => dy.div(x.abs().add(1).square()),
  examples: kink(0),
})

/** Slope of x Phi(x): Phi(x) + x phi(x). */
function exactGeluSlope(x: Tensor): Tensor {
  const area = x.mul(Math.SQRT1_2).erf().add(1).mul(0.5)
  const density = x
    .mul(x)
    .mul(-0.5)
    .exp()
    .mul(1 / Math.sqrt(2 * Math.PI))
  return area.add(x.mul(density))
}

/** Slope of x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3). */
function tanhGeluSlope(x: Tensor): Tensor {
  const k = Math.sqrt(2 / Math.PI)
  const square = x.mul(x)
  const t = x.mul(square.mul(0.044715 * k).add(k)).tanh()
  const du = square.mul(3 * 0.044715 * k).add(k)
  return t
    .add(1)
    .mul(0.5)
    .add(x.mul(0.5).mul(t.mul(t).rsub(1)).mul(du))
}

/** Gaussian error linear unit, exact or by tanh. */
export const Gelu = unary('Gelu', {
  since: 20,
  attrs: { approximate: string('none') },
  flops: 14,
  grad: ({ x: [x], dy: [dy], a }) => dy.mul(a.approximate === 'tanh' ? tanhGeluSlope(x) : exactGeluSlope(x)),
  examples: [{ x: [[2, 3]] }, { x: [[8]], a: { approximate: 'tanh' } }],
})

/** y = alpha x + beta. An operator of old converters. */
export const Affine = unary('Affine', {
  since: 1,
  attrs: { alpha: float(1), beta: float(0) },
  flops: 2,
  grad: ({ dy: [dy], a }) => dy.mul(a.alpha),
  simplify: ({ x: [x], a }) => x.mul(a.alpha).add(a.beta),
  examples: [{ x: [[2, 3]], a: { alpha: 0.5, beta: 1 } }],
})

/** y = scale x + bias_c for images [N, C, H, W]. An operator of old converters. */
export const ImageScaler = defineOp({
  type: 'ImageScaler',
  since: 1,
  attrs: { scale: float(1), bias: floats() },
  infer({ x: [x], a, fail }) {
    if (x.shape.length !== 4) fail(`expected [N, C, H, W], found ${showShape(x.shape)}`)
    if (a.bias && a.bias.length !== x.shape[1]) fail(`bias has ${a.bias.length} values for ${x.shape[1]} channels`)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad: ({ dy: [dy], a }) => [dy.mul(a.scale)],
  simplify({ x: [x], a, b }) {
    const scaled = x.mul(a.scale)
    return a.bias ? scaled.add(b.array(x.dtype, [a.bias.length, 1, 1], a.bias)) : scaled
  },
  cost: ({ y: [y] }) => 2 * sizeOf(y.shape),
  channels: ({ x: [x], y: [y] }) => broadcastTies([x], y),
  examples: [{ x: [[2, 3, 2, 2]], a: { scale: 0.5, bias: [1, 0.25, -1] } }],
})
