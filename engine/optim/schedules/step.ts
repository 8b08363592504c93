import { z } from 'zod'
import { defineSchedule } from '../schedule.ts'

/** Multiplied by `factor` at each milestone, a share of all steps. The defaults are those of He et al. 2016 for CIFAR-10. */
export default defineSchedule({
  id: 'step',
  title: 'Steps',
  options: z.strictObject({
    milestones: z.array(z.number().gt(0).lt(1)).default([0.5, 0.75]),
    factor: z.number().gt(0).lt(1).default(0.1),
  }),
  rate: (step, total, { milestones, factor }) => factor ** milestones.filter((share) => step >= share * total).length,
})
