import { PRIVATE } from '../../ops/index.ts'
import { defineLowering } from '../lowering.ts'

/**
 * Training batch norm: the statistics by reductions, then one pass of the inference kernel over them. ONNX Runtime's kernel for training is
 * not used: it was measured to return wrong values inside larger graphs (it writes its running statistics over its inputs).
 */
export const batchNormKernel = defineLowering({
  op: 'BatchNorm',
  domain: PRIVATE,
  when: ({ x, target }) => target.provider === 'cpu' && x[0].dtype === 'float32' && x[0].rank >= 2,
  lower({ x: [x, scale, bias], a }) {
    const axes = x.shape.flatMap((_, i) => (i === 1 ? [] : [i]))
    const mean = x.mean(axes, true)
    const variance = x.sub(mean).square().mean(axes, true)
    const [m, v] = [mean.reshape(scale.shape), variance.reshape(scale.shape)]
    return [x.emit('BatchNormalization', [scale, bias, m, v], { epsilon: a.epsilon }), m, v]
  },
})

/** A value treated as constant while differentiating is just the value afterwards. */
export const stopGradient = defineLowering({ op: 'StopGradient', domain: PRIVATE, lower: ({ x: [x] }) => [x] })
