import { z } from 'zod'
import { defineMetric } from './support/define.ts'
import { addMoment, emptyMoments, meanValue } from './support/intervals.ts'
import { logSoftmax } from './support/rows.ts'

/** Mean of KL(teacher || model) = sum over classes of t ln(t / p). */
export default defineMetric({
  id: 'kl-to-teacher',
  title: 'Divergence from the teacher',
  unit: 'nats',
  better: 'lower',
  reads: ['logits', 'teacherLogits'],
  options: z.strictObject({}),
  start: emptyMoments,
  add(state, { classes, logits, teacherLogits }) {
    for (let n = 0; n < logits.length / classes; n++) {
      const p = logSoftmax(logits, classes, n)
      const t = logSoftmax(teacherLogits, classes, n)
      // 0 ln 0 is 0: a class of log-probability -infinity adds nothing.
      addMoment(
        state,
        t.reduce((sum, log, k) => (log === -Infinity ? sum : sum + Math.exp(log) * (log - p[k]!)), 0),
      )
    }
  },
  finish: meanValue,
  examples: [
    { batch: { logits: [[1, 2, 3]], teacherLogits: [[2, 3, 4]] }, value: 0 },
    { batch: { logits: [[0, 0]], teacherLogits: [[Math.log(3), 0]] }, value: 0.75 * Math.log(1.5) + 0.25 * Math.log(0.5) },
    { batch: { logits: [[0, 0]], teacherLogits: [[0, -Infinity]] }, value: Math.log(2) },
  ],
})
