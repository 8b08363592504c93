import { z } from 'zod'
import { defineMetric } from './support/define.ts'
import { addMoment, emptyMoments, meanValue } from './support/intervals.ts'

/** Mean absolute difference to the numbers that were to be predicted, in their unit; the interval is over samples. */
export default defineMetric({
  id: 'mae',
  title: 'Absolute error',
  unit: 'target',
  better: 'lower',
  reads: ['logits', 'target'],
  options: z.strictObject({}),
  start: emptyMoments,
  add(state, { classes, logits, target }) {
    for (let start = 0; start < logits.length; start += classes) {
      let sum = 0
      for (let i = start; i < start + classes; i++) sum += Math.abs(logits[i]! - target[i]!)
      addMoment(state, sum / classes)
    }
  },
  finish: meanValue,
  examples: [{ batch: { logits: [[1, 2], [3, 4]], target: [[1, 4], [0, 4]] }, value: (2 / 2 + 3 / 2) / 2 }], // prettier-ignore
})
