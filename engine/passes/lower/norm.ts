import { PRIVATE } from '../../ops/index.ts'
import { defineLowering } from '../lowering.ts'

/** Training batch norm by ONNX Runtime's own kernel: with momentum 0 its running outputs are the batch's statistics. */
export const batchNormKernel = defineLowering({
  op: 'BatchNorm',
  domain: PRIVATE,
  when: ({ x, target }) => target.provider === 'cpu' && x[0].dtype === 'float32' && x[0].rank >= 2,
  lower: ({ b, x: [x, scale, bias], a }) =>
    b.emit(
      'BatchNormalization',
      [x, scale, bias, b.zeros(scale.shape, x.dtype), b.full(scale.shape, 1, x.dtype)],
      { epsilon: a.epsilon, momentum: 0, training_mode: 1 },
      { outputs: 3 },
    ),
})

/** A value treated as constant while differentiating is just the value afterwards. */
export const stopGradient = defineLowering({ op: 'StopGradient', domain: PRIVATE, lower: ({ x: [x] }) => [x] })
