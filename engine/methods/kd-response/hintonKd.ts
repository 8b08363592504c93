import { z } from 'zod'
import { crossEntropy, softKl } from '../../losses/index.ts'
import { defineMethod, type LossContext } from '../method.ts'

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

export default defineMethod<Options>({
  key: 'hinton-kd',
  title: 'Soft labels',
  paper: 'arXiv:1503.02531',
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
    required: { gainPoints: 1 },
    async measure(lab) {
      const data = await lab.data({ builtin: 'builtin:glyphs?samples=2500&size=16&classes=10&difficulty=0.6' })
      const teacher = await lab.train({ data, student: 'small-cnn', steps: 500, lr: 3e-3, optimizer: 'adam' })
      const few = { data, student: 'mlp:24', indices: data.train.slice(0, 600), steps: 500, lr: 3e-3, optimizer: 'adam' as const }
      const alone = await lab.train(few)
      const taught = await lab.train({ ...few, teacher, methods: [{ key: 'hinton-kd' }] })
      const score = async (m: typeof alone) => (await lab.evaluate(m, data)).top1
      return { gainPoints: (await score(taught)) - (await score(alone)) }
    },
  },
})
