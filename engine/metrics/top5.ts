import { z } from 'zod'
import { defineMetric } from './support/define.ts'
import { emptyProportion, proportionValue } from './support/intervals.ts'
import { rankOf } from './support/rows.ts'

/** Share of samples whose label is among the five greatest logits. */
export default defineMetric({
  id: 'top5',
  title: 'Top-5 accuracy',
  unit: 'ratio',
  better: 'higher',
  reads: ['logits', 'label'],
  options: z.strictObject({}),
  start: emptyProportion,
  add(state, { classes, logits, label }) {
    for (const [n, k] of label.entries()) if (rankOf(logits, classes, n, k) < 5) state.hits++
    state.count += label.length
  },
  finish: proportionValue,
  examples: [
    {
      batch: {
        logits: [
          [6, 5, 4, 3, 2, 1],
          [6, 5, 4, 3, 2, 1],
          [6, 5, 4, 3, 2, 1],
        ],
        label: [0, 4, 5],
      },
      value: 2 / 3,
    },
  ],
})
