import { z } from 'zod'
import { defineMetric } from './support/define.ts'
import { argmax } from './support/rows.ts'

interface State {
  /** Pixels of each class that were predicted and meant, predicted, meant. */
  both: number[]
  predicted: number[]
  meant: number[]
}

/** Mean over classes of intersection over union of pixels, TP / (TP + FP + FN). Classes that neither occur nor are predicted do not count. */
export default defineMetric({
  id: 'miou',
  title: 'Mean IoU',
  unit: 'ratio',
  better: 'higher',
  reads: ['logits', 'pixelLabel'],
  options: z.strictObject({}),
  start: (): State => ({ both: [], predicted: [], meant: [] }),
  add(state, { classes, logits, pixelLabel }) {
    for (let k = state.both.length; k < classes; k++) state.both[k] = state.predicted[k] = state.meant[k] = 0
    for (const [n, k] of pixelLabel.entries()) {
      const answer = argmax(logits, classes, n)
      if (answer >= 0) state.predicted[answer]!++
      state.meant[k]!++
      if (answer === k) state.both[k]!++
    }
  },
  finish({ both, predicted, meant }) {
    const each = both.flatMap((hits, k) => {
      const union = predicted[k]! + meant[k]! - hits
      return union > 0 ? [hits / union] : []
    })
    return each.length ? { value: each.reduce((a, b) => a + b, 0) / each.length } : undefined
  },
  // Class 0: one of two; class 1: one of two; class 2 nowhere.
  examples: [{ batch: { logits: [[1, 0, 0], [0, 1, 0], [0, 1, 0]], pixelLabel: [0, 0, 1] }, value: (1 / 2 + 1 / 2) / 2 }], // prettier-ignore
})
