import { z } from 'zod'
import { defineSchedule } from '../schedule.ts'

/** floor + (1 - floor) (1 + cos(pi step / total)) / 2. Loshchilov and Hutter 2017, arXiv:1608.03983, without restarts. */
export default defineSchedule({
  id: 'cosine',
  title: 'Cosine',
  options: z.strictObject({ floor: z.number().min(0).max(1).default(0) }),
  rate: (step, total, { floor }) => floor + (1 - floor) * 0.5 * (1 + Math.cos((Math.PI * step) / total)),
})
