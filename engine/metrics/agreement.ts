import { z } from 'zod'
import { defineMetric } from './support/define.ts'
import { emptyProportion, proportionValue } from './support/intervals.ts'
import { argmax } from './support/rows.ts'

/** Share of samples on which the model answers as the teacher does, right or wrong. Needs no labels. */
export default defineMetric({
  id: 'agreement',
  title: 'Agreement with the teacher',
  unit: 'ratio',
  better: 'higher',
  reads: ['logits', 'teacherLogits'],
  options: z.strictObject({}),
  start: emptyProportion,
  add(state, { classes, logits, teacherLogits }) {
    const count = logits.length / classes
    for (let n = 0; n < count; n++) {
      const answer = argmax(logits, classes, n)
      if (answer >= 0 && answer === argmax(teacherLogits, classes, n)) state.hits++
    }
    state.count += count
  },
  finish: proportionValue,
  examples: [
    {
      batch: {
        logits: [
          [2, 1],
          [0, 3],
          [5, 4],
        ],
        teacherLogits: [
          [9, 0],
          [0, 1],
          [0, 1],
        ],
      },
      value: 2 / 3,
    },
    {
      batch: {
        logits: [
          [NaN, 1],
          [1, 0],
        ],
        teacherLogits: [
          [NaN, 1],
          [7, 0],
        ],
      },
      value: 1 / 2,
    },
  ],
})
