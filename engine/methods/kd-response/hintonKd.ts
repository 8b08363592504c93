import { z } from 'zod'
import { crossEntropy, softKl } from '../../losses/index.ts'
import { defineMethod, type LossContext } from '../method.ts'
import { mixture } from '../mixture.ts'
import { digits, drawRows, kl, meanOf, softmax, type Rows } from '../reference.ts'

interface Options {
  temperature: number
  alpha: number
}

/**
 * Hinton, Vinyals, Dean 2015, Distilling the Knowledge in a Neural Network, section 2.
 * L = (1 - a) CE(label, student) + a T^2 KL(softmax(teacher / T) || softmax(student / T)). Without labels, a = 1.
 */
const loss = ({ student, teacher, target, labelSmoothing }: LossContext, { temperature: T, alpha: a }: Options, sign = 1) => ({
  ...(target ? { hard: { weight: 1 - a, value: crossEntropy(student.logits, target, { labelSmoothing }) } } : {}),
  soft: { weight: sign * (target ? a : 1) * T ** 2, value: softKl(student.logits, teacher.logits, T) },
})

/** The loss, and its gradient (1 - a) (p_S - y) + a T (p_S^T - p_T^T) for each sample (section 2, equation 2), over the batch. */
function byHand(student: Rows, teacher: Rows, labels: readonly number[], { temperature: T, alpha: a }: Options): number[] {
  const value = meanOf(
    student.map((s, n) => -(1 - a) * Math.log(softmax(s)[labels[n]!]!) + a * T ** 2 * kl(softmax(teacher[n]!, T), softmax(s, T))),
  )
  const gradient = student.flatMap((s, n) => {
    const [hard, soft, wanted] = [softmax(s), softmax(s, T), softmax(teacher[n]!, T)]
    return s.map((_, c) => ((1 - a) * (hard[c]! - (c === labels[n] ? 1 : 0)) + a * T * (soft[c]! - wanted[c]!)) / student.length)
  })
  return [value, ...gradient]
}

export default defineMethod<Options>({
  key: 'hinton-kd',
  title: 'Soft labels',
  paper: 'arXiv:1503.02531',
  limit: 'Needs samples like those the teacher was trained on: far from them its answers are near one class and teach little.',
  equation: 'L = (1 − α) CE(y, p_S) + α T² KL(p_T^(T) ‖ p_S^(T)), softmax at temperature T; α = 1 without labels',
  family: 'kd-response',
  status: 'ready',
  needs: { labels: 'optional' },
  options: z.strictObject({
    temperature: z.number().positive().default(4).describe('Softens both distributions'),
    alpha: z.number().min(0).max(1).default(0.9).describe('Share of the soft term; the labels have the rest'),
  }),
  loss,
  sabotage: { loss: (ctx, o) => loss(ctx, o, -1) },
  check: {
    claim: 'trained on few labelled samples, a student with the teacher beats the same student without it',
    required: { gainPoints: 2 },
    async formula(lab) {
      const [student, teacher, labels] = [drawRows(lab.seed, 'student', 4, 3), drawRows(lab.seed, 'teacher', 4, 3), [0, 2, 1, 1]]
      const options = { temperature: 3, alpha: 0.7 }
      const found = await lab.formula('hinton-kd', { student, teacher, labels, options })
      return digits([found.total, ...found.gradient], byHand(student, teacher, labels, options))
    },
    async measure(lab) {
      const data = await lab.data(mixture(lab.seed, { rows: 8000, test: 4000, spread: 0.8 }))
      const teacher = await lab.train({ data, student: 'mlp:128', steps: 600, lr: 3e-3, optimizer: 'adam' })
      const few = { data, student: 'mlp:32', indices: data.train.slice(0, 600), steps: 600, lr: 3e-3, optimizer: 'adam' as const }
      const alone = await lab.train(few)
      const taught = await lab.train({ ...few, teacher, methods: [{ key: 'hinton-kd' }] })
      const score = async (m: typeof alone) => (await lab.evaluate(m, data)).top1
      return { gainPoints: (await score(taught)) - (await score(alone)), teacherPercent: await score(teacher) }
    },
  },
})
