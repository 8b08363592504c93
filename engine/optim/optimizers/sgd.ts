import { z } from 'zod'
import { defineOptimizer } from '../optimizer.ts'

/**
 * v = mu v + g,  p = p - lr v  (Nesterov: p - lr (g + mu v)). The rate multiplies the velocity, so a change of rate acts at once.
 * Weight decay is coupled: g + lambda p takes the place of g.
 */
export default defineOptimizer({
  id: 'sgd',
  title: 'SGD with momentum',
  paper: 'Sutskever et al. 2013, On the importance of initialization and momentum in deep learning',
  options: z.strictObject({
    momentum: z.number().min(0).lt(1).default(0.9),
    nesterov: z.boolean().default(false),
    weightDecay: z.number().min(0).default(5e-4),
  }),
  slots: ['momentum'],
  kernel: ({ momentum, nesterov }) => ({ kind: 'sgd', beta1: momentum, nesterov }),
  update({ p, g, slots, lr, o, decay }) {
    const grad = decay && o.weightDecay > 0 ? g.add(p.mul(o.weightDecay)) : g
    const v = o.momentum > 0 ? slots.momentum!.mul(o.momentum).add(grad) : grad
    const direction = o.nesterov ? grad.add(v.mul(o.momentum)) : v
    return { p: p.sub(direction.mul(lr)), slots: { momentum: v } }
  },
})
