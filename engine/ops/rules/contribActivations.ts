import { float } from '../attrs.ts'
import { defineOp, type Example, type OpRule } from '../rule.ts'
import { sizeOf } from '../../ir/index.ts'
import type { Tensor } from '../tensor.ts'
import { sameShape, showShape } from '../../ir/index.ts'
import { tieAxes } from '../support/axes.ts'
import { MICROSOFT } from '../support/contrib.ts'

/** An activation of x, with an optional vector that is added to its last axis first. */
function biased(type: string, flops: number, optional: boolean, f: (x: Tensor) => Tensor, examples: readonly Example[]): OpRule {
  return defineOp({
    type,
    domain: MICROSOFT,
    since: 1,
    attrs: {},
    infer({ x: [x], opt, fail }) {
      const bias = opt(1)
      if (!bias && !optional) fail('the bias is missing')
      if (bias && !sameShape(bias.shape, x.shape.slice(-1)))
        fail(`bias ${showShape(bias.shape)} does not fit the last axis of ${showShape(x.shape)}`)
      return [{ dtype: x.dtype, shape: x.shape }]
    },
    grad: 'expand',
    expand: ({ x: [x], opt }) => [f(opt(1) ? x.add(opt(1)!) : x)],
    cost: ({ x: [x] }) => flops * sizeOf(x.shape),
    channels: ({ x: [x, bias] }) => [
      ...tieAxes(x.shape.length, () => true),
      ...(bias ? ([{ a: ['x0', x.shape.length - 1], b: ['x1', 0] }] as const) : []),
    ],
    examples,
  })
}

const gelu = (x: Tensor): Tensor => x.emit('Gelu')
const tanhGelu = (x: Tensor): Tensor => x.emit('Gelu', [], { approximate: 'tanh' })

/** y = x Phi(x), of before the standard had it. */
export const GeluMicrosoft = biased('Gelu', 14, true, gelu, [{ x: [[2, 3]] }])

/** Gelu by tanh, of x + bias. */
export const FastGelu = biased('FastGelu', 14, true, tanhGelu, [{ x: [[2, 3]] }, { x: [[2, 3, 4], [4]] }])

/** y = z Phi(z) with z = x + bias. */
export const BiasGelu = biased('BiasGelu', 15, false, gelu, [{ x: [[2, 3, 4], [4]] }])

/** y = x sigmoid(alpha x). */
export const QuickGelu = defineOp({
  type: 'QuickGelu',
  domain: MICROSOFT,
  since: 1,
  attrs: { alpha: float(1.702) },
  infer: ({ x: [x] }) => [{ dtype: x.dtype, shape: x.shape }],
  grad: 'expand',
  expand: ({ x: [x], a }) => [x.mul(x.mul(a.alpha).sigmoid())],
  cost: ({ x: [x] }) => 8 * sizeOf(x.shape),
  channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
  examples: [{ x: [[2, 3]] }, { x: [[5]], a: { alpha: 1 } }],
})
