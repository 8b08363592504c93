import { UnsupportedError } from '../../errors.ts'
import { int } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { isOn } from '../support/draws.ts'

/**
 * Dropout outside of training passes its input through. The training compiler replaces it by a product with a mask whose numbers come
 * from the counter-based generator, because ONNX Runtime's own generator has a hidden state that cannot be resumed. A node whose
 * training_mode is the constant true draws wherever it runs; its gradient needs the mask output. Spec: onnx Dropout-22.
 */
export const Dropout = defineOp({
  type: 'Dropout',
  since: 12,
  attrs: { seed: int() },
  infer({ x: [x], outputs, value, opt, fail }) {
    if (opt(2) && !value(2)) fail('training_mode must be a constant to build a training graph')
    return [
      { dtype: x.dtype, shape: x.shape },
      { dtype: 'bool' as const, shape: x.shape },
    ].slice(0, outputs)
  },
  grad({ x, y: [, mask], dy: [dy], opt }) {
    if (!isOn(opt)) return [dy]
    if (!mask)
      throw new UnsupportedError('no gradient for Dropout in training mode without its mask output', {
        hint: 'the training compiler replaces such a node by a mask that is fed',
      })
    const kept = mask.like(dy).mul(dy)
    return [opt(1) ? kept.div(x[1].like(dy).rsub(1)) : kept.mul(2)]
  },
  random: true,
  simplify: ({ x, y }) => (y.length === 1 && !isOn((i) => x[i]) ? x[0] : undefined),
  cost: ({ x: [x] }) => x.shape.reduce((n, d) => n * d, 1),
  channels: ({ x: [x] }) => x.shape.map((_, i) => ({ a: ['x0', i] as const, b: ['y0', i] as const })),
  examples: [{ x: [[2, 3]] }, { x: [[2, 3]], outputs: 2 }],
})
