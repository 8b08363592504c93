import { z } from 'zod'
import { momentOptions, momentScalars, momentStep } from '../moments.ts'
import { defineOptimizer } from '../optimizer.ts'

/**
 * Adam with decoupled decay: p = p - lr (m^ / (sqrt(v^) + eps) + lambda p).
 * Algorithm 2 of the paper multiplies lambda by the schedule alone; here, as in common frameworks, by the whole rate, so the paper's
 * lambda is this one times the peak rate.
 */
export default defineOptimizer({
  id: 'adamw',
  title: 'AdamW',
  paper: 'Loshchilov and Hutter 2019, arXiv:1711.05101, Algorithm 2',
  options: z.strictObject({ ...momentOptions, weightDecay: z.number().min(0).default(0.01) }),
  slots: ['m', 'v'],
  hostScalars: (step, o) => momentScalars(step, o),
  kernel: ({ beta1, beta2, epsilon }) => ({ kind: 'adamw', beta1, beta2, epsilon }),
  update({ p, g, slots, lr, scalars, o, decay }) {
    const { m, v, direction } = momentStep(g, slots, scalars, o)
    const move = decay && o.weightDecay > 0 ? direction.add(p.mul(o.weightDecay)) : direction
    return { p: p.sub(move.mul(lr)), slots: { m, v } }
  },
})
