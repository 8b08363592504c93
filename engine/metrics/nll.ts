import { z } from 'zod'
import { defineMetric } from './support/define.ts'
import { addMoment, emptyMoments, meanValue } from './support/intervals.ts'
import { logSoftmax } from './support/rows.ts'

/** Negative log-likelihood: the mean of -ln p(label). */
export default defineMetric({
  id: 'nll',
  title: 'Negative log-likelihood',
  unit: 'nats',
  better: 'lower',
  reads: ['logits', 'label'],
  options: z.strictObject({}),
  start: emptyMoments,
  add(state, { classes, logits, label }) {
    for (const [n, k] of label.entries()) addMoment(state, -(logSoftmax(logits, classes, n)[k] ?? NaN))
  },
  finish: meanValue,
  examples: [
    { batch: { logits: [[0, 0, 0, 0]], label: [2] }, value: Math.log(4) },
    {
      batch: {
        logits: [
          [Math.log(3), 0],
          [Math.log(3), 0],
        ],
        label: [0, 1],
      },
      value: (Math.log(4 / 3) + Math.log(4)) / 2,
    },
    // Log-probabilities are read as such.
    { batch: { logits: [[Math.log(0.25), Math.log(0.75)]], label: [0] }, value: Math.log(4) },
  ],
})
