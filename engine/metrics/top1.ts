import { z } from 'zod'
import { defineMetric } from './support/define.ts'
import { emptyProportion, proportionValue } from './support/intervals.ts'
import { rankOf } from './support/rows.ts'

/** Share of samples whose label has the greatest logit. */
export default defineMetric({
  id: 'top1',
  title: 'Accuracy',
  unit: 'ratio',
  better: 'higher',
  reads: ['logits', 'label'],
  options: z.strictObject({}),
  start: emptyProportion,
  add(state, { classes, logits, label }) {
    for (const [n, k] of label.entries()) if (rankOf(logits, classes, n, k) < 1) state.hits++
    state.count += label.length
  },
  finish: proportionValue,
  examples: [
    {
      batch: {
        logits: [
          [2, 1],
          [0, 3],
          [5, 4],
          [1, 2],
        ],
        label: [0, 1, 1, 1],
      },
      value: 3 / 4,
    },
    {
      batch: {
        logits: [
          [NaN, 1],
          [1, 1],
        ],
        label: [1, 0],
      },
      value: 1 / 2,
    },
  ],
})
