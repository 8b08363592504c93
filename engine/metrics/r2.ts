import { z } from 'zod'
import { defineMetric } from './support/define.ts'
import { addMoment, emptyMoments, type Moments } from './support/intervals.ts'

interface State {
  /** Of each predicted number: its targets, and the sum of squared errors. */
  targets: Moments[]
  errors: number[]
}

/**
 * Coefficient of determination, 1 - sum (y - p)^2 / sum (y - mean y)^2, the mean over the predicted numbers. 1 is exact, 0 as good as
 * predicting the mean. A number that never varies does not count.
 */
export default defineMetric({
  id: 'r2',
  title: 'Explained variance (R2)',
  unit: 'ratio',
  better: 'higher',
  reads: ['logits', 'target'],
  options: z.strictObject({}),
  start: (): State => ({ targets: [], errors: [] }),
  add(state, { classes, logits, target }) {
    for (let i = 0; i < logits.length; i++) {
      const k = i % classes
      addMoment((state.targets[k] ??= emptyMoments()), target[i]!)
      state.errors[k] = (state.errors[k] ?? 0) + (logits[i]! - target[i]!) ** 2
    }
  },
  finish({ targets, errors }) {
    const each = targets.flatMap(({ deviations }, k) => (deviations > 0 ? [1 - errors[k]! / deviations] : []))
    return each.length ? { value: each.reduce((a, b) => a + b, 0) / each.length } : undefined
  },
  examples: [
    { batch: { logits: [[1], [2], [3]], target: [[1], [2], [3]] }, value: 1 },
    { batch: { logits: [[2], [2], [2]], target: [[1], [2], [3]] }, value: 0 },
    { batch: { logits: [[1, 0], [3, 0]], target: [[2, 5], [4, 7]] }, value: (1 - 2 / 2 + (1 - 74 / 2)) / 2 },
  ], // prettier-ignore
})
