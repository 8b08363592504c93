import { z } from 'zod'
import { defineOptimizer } from '../optimizer.ts'

/**
 * p = p - lr (sign(b1 m + (1 - b1) g) + lambda p),  m = b2 m + (1 - b2) g. Every element moves by the rate, so the rate is to be three
 * to ten times smaller than AdamW's, and the decay that much larger (section 5 of the paper).
 */
export default defineOptimizer({
  id: 'lion',
  title: 'Lion',
  paper: 'Chen et al. 2023, Symbolic discovery of optimization algorithms, arXiv:2302.06675, Algorithm 2',
  options: z.strictObject({
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.99),
    weightDecay: z.number().min(0).default(0.1),
  }),
  slots: ['m'],
  kernel: ({ beta1, beta2 }) => ({ kind: 'lion', beta1, beta2 }),
  update({ p, g, slots, lr, o, decay }) {
    const m = slots.m!
    const direction = m
      .mul(o.beta1)
      .add(g.mul(1 - o.beta1))
      .sign()
    const move = decay && o.weightDecay > 0 ? direction.add(p.mul(o.weightDecay)) : direction
    return { p: p.sub(move.mul(lr)), slots: { m: m.mul(o.beta2).add(g.mul(1 - o.beta2)) } }
  },
})
