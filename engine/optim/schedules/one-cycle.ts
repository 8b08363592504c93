import { z } from 'zod'
import { defineSchedule } from '../schedule.ts'

/** From `from` to `to` along half a cosine, `share` in [0, 1]. */
const anneal = (from: number, to: number, share: number): number => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * share))

/**
 * Up from 1 / startDivisor to 1 over the first `peakAt` of the steps, then down to 1 / (startDivisor endDivisor); both along a cosine.
 * Smith and Topin 2018, arXiv:1708.07120, in the two-phase form of common frameworks.
 */
export default defineSchedule({
  id: 'one-cycle',
  title: 'One cycle',
  options: z.strictObject({
    peakAt: z.number().gt(0).lt(1).default(0.3),
    startDivisor: z.number().min(1).default(25),
    endDivisor: z.number().min(1).default(1e4),
  }),
  rate(step, total, { peakAt, startDivisor, endDivisor }) {
    const peak = Math.max(0, peakAt * total - 1)
    if (step <= peak) return anneal(1 / startDivisor, 1, peak > 0 ? step / peak : 1)
    const share = Math.min(1, (step - peak) / (total - 1 - peak))
    return anneal(1, 1 / (startDivisor * endDivisor), total - 1 > peak ? share : 1)
  },
})
