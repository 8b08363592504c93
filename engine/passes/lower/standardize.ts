import { PRIVATE } from '../../ops/index.ts'
import { defineLowering } from '../lowering.ts'

/** Standardizing in one pass of the layer normalization kernel, which also returns the reciprocal of the deviation. */
export const standardizeKernel = defineLowering({
  op: 'Standardize',
  domain: PRIVATE,
  when: ({ x, a }) => x[0].dtype === 'float32' && a.centred === 1,
  lower({ b, x: [x], a }) {
    const axis = a.axis as number
    const scale = b.full(x.shape.slice(axis), 1, x.dtype)
    const made = b.emit('LayerNormalization', [x, scale], { axis, epsilon: a.epsilon }, { outputs: 3 })
    return [made[0]!, made[2]!]
  },
})
