import { int } from '../attrs.ts'
import { defineOp } from '../rule.ts'

/**
 * Dropout outside of training passes its input through. The training compiler replaces it by a product with a mask whose numbers come
 * from the counter-based generator, because ONNX Runtime's own generator has a hidden state that cannot be resumed. Spec: onnx Dropout-13.
 */
export const Dropout = defineOp({
  type: 'Dropout',
  since: 12,
  attrs: { seed: int() },
  infer({ x: [x], outputs, value, opt, fail }) {
    if (opt(2) && value(2)?.[0] !== 0) fail('training_mode must be the constant false once dropout has been replaced by its mask')
    return [
      { dtype: x.dtype, shape: x.shape },
      { dtype: 'bool' as const, shape: x.shape },
    ].slice(0, outputs)
  },
  grad: ({ dy: [dy] }) => [dy],
  simplify: ({ x: [x], y }) => (y.length === 1 ? x : undefined),
  cost: ({ x: [x] }) => x.shape.reduce((n, d) => n * d, 1),
  channels: ({ x: [x] }) => x.shape.map((_, i) => ({ a: ['x0', i] as const, b: ['y0', i] as const })),
  examples: [{ x: [[2, 3]] }],
})
