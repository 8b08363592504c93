import { z } from 'zod'
import { defineMetric } from './support/define.ts'
import { addMoment, emptyMoments, meanValue } from './support/intervals.ts'

/** Mean squared difference between the model's and the teacher's logits; the interval is over samples. */
export default defineMetric({
  id: 'mse',
  title: 'Squared error to the teacher',
  unit: 'squared-logits',
  better: 'lower',
  reads: ['logits', 'teacherLogits'],
  options: z.strictObject({}),
  start: emptyMoments,
  add(state, { classes, logits, teacherLogits }) {
    for (let start = 0; start < logits.length; start += classes) {
      let sum = 0
      for (let i = start; i < start + classes; i++) sum += (logits[i]! - teacherLogits[i]!) ** 2
      addMoment(state, sum / classes)
    }
  },
  finish: meanValue,
  examples: [
    {
      batch: {
        logits: [
          [1, 2],
          [3, 4],
        ],
        teacherLogits: [
          [1, 4],
          [0, 4],
        ],
      },
      value: (4 / 2 + 9 / 2) / 2,
    },
  ],
})
