import { z } from 'zod'
import { momentOptions, momentScalars, momentStep } from '../moments.ts'
import { defineOptimizer } from '../optimizer.ts'

/**
 * m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,  p = p - lr m^ / (sqrt(v^) + eps), with m^ = m / (1 - b1^t), v^ = v / (1 - b2^t).
 * Weight decay is coupled (g + lambda p takes the place of g) and off by default: prefer adamw for it.
 */
export default defineOptimizer({
  id: 'adam',
  title: 'Adam',
  paper: 'Kingma and Ba 2015, arXiv:1412.6980, Algorithm 1',
  options: z.strictObject({ ...momentOptions, weightDecay: z.number().min(0).default(0) }),
  slots: ['m', 'v'],
  hostScalars: (step, o) => momentScalars(step, o),
  kernel: ({ beta1, beta2, epsilon }) => ({ kind: 'adam', beta1, beta2, epsilon }),
  update({ p, g, slots, lr, scalars, o, decay }) {
    const grad = decay && o.weightDecay > 0 ? g.add(p.mul(o.weightDecay)) : g
    const { m, v, direction } = momentStep(grad, slots, scalars, o)
    return { p: p.sub(direction.mul(lr)), slots: { m, v } }
  },
})
