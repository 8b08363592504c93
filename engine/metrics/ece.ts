import { z } from 'zod'
import { defineMetric } from './support/define.ts'
import { bootstrapInterval } from './support/intervals.ts'
import { argmax, logSoftmax } from './support/rows.ts'

/** Expected calibration error, equal-width bins. Guo et al. 2017, arXiv:1706.04599. Sum over bins of |hits - confidence| / n, in [0, 1]. */
export default defineMetric({
  id: 'ece',
  title: 'Calibration error',
  unit: 'ratio',
  better: 'lower',
  reads: ['logits', 'label'],
  options: z.strictObject({ bins: z.number().int().min(2).default(15) }),
  start: ({ bins }) => ({ bins, confidence: [] as number[], hit: [] as number[] }),
  add(state, { classes, logits, label }) {
    for (const [n, k] of label.entries()) {
      const answer = argmax(logits, classes, n)
      // A row with NaN is the worst there is: sure and wrong.
      state.confidence.push(answer < 0 ? 1 : Math.exp(logSoftmax(logits, classes, n)[answer]!))
      state.hit.push(answer === k ? 1 : 0)
    }
  },
  finish({ bins, confidence, hit }) {
    const count = confidence.length
    if (count === 0) return undefined
    // A bin includes its upper end: the greatest confidence, 1, is in the last.
    const binOf = Int32Array.from(confidence, (c) => Math.min(bins - 1, Math.max(0, Math.ceil(c * bins) - 1)))
    const gapOf = Float64Array.from(confidence, (c, n) => hit[n]! - c)
    const gaps = new Float64Array(bins)
    const error = (drawn: Int32Array) => {
      gaps.fill(0)
      for (const n of drawn) gaps[binOf[n]!]! += gapOf[n]!
      return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / count
    }
    const value = error(Int32Array.from({ length: count }, (_, n) => n))
    return { value, ci95: bootstrapInterval(value, count, error, [0, 1]) }
  },
  examples: [
    // Two right answers of confidence 1 / (1 + e^-9).
    {
      batch: {
        logits: [
          [9, 0],
          [0, 9],
        ],
        label: [0, 1],
      },
      value: 1 - 1 / (1 + Math.exp(-9)),
    },
    // Confidence 3/4 in one bin, half of the answers right: |1/2 - 3/4|.
    {
      batch: {
        logits: [
          [Math.log(3), 0],
          [Math.log(3), 0],
        ],
        label: [0, 1],
      },
      value: 1 / 4,
    },
    // Two bins of two: 0.6 with one right (gap 0.2 over two samples), 0.9 right (gap 0.1), shares 2/3 and 1/3.
    {
      batch: {
        logits: [
          [Math.log(1.5), 0],
          [Math.log(1.5), 0],
          [Math.log(9), 0],
        ],
        label: [0, 1, 0],
      },
      value: (0.2 + 0.1) / 3,
    },
  ],
})
