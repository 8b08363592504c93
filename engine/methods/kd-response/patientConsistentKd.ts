import { z } from 'zod'
import { softKl } from '../../losses/index.ts'
import { defineMethod, type LossContext } from '../method.ts'

/**
 * Beyer et al. 2022, Knowledge distillation: a good teacher is patient and consistent. Function matching: teacher and student see the
 * very same crop and mixture of images, L = KL(p_T || p_S) at temperature 1, no labels, and a long schedule.
 */
const loss = ({ student, teacher }: LossContext, sign = 1) => ({
  match: { weight: sign, value: softKl(student.logits, teacher.logits, 1) },
})

interface Options {
  crop: boolean
  flip: boolean
  mixup: boolean
}

export default defineMethod<Options>({
  key: 'patient-consistent-kd',
  title: 'Patient and consistent teacher (function matching)',
  paper: 'arXiv:2106.05237',
  family: 'kd-response',
  status: 'ready',
  needs: { labels: 'unused' },
  options: z.strictObject({
    crop: z.boolean().default(true).describe('Random resized crops'),
    flip: z.boolean().default(true).describe('Horizontal flips'),
    mixup: z.boolean().default(true).describe('Mixtures of pairs with a uniform coefficient'),
  }),
  loss: (ctx) => loss(ctx),
  views: ({ crop, flip, mixup }) => [
    ...(crop ? ['random-resized-crop'] : []),
    ...(flip ? ['flip'] : []),
    ...(mixup ? ['mixup'] : []),
  ],
  defaults: { optimizer: 'adamw', schedule: 'cosine', clip: 1 },
  sabotage: { loss: (ctx) => loss(ctx, -1) },
  check: {
    claim:
      'at equal steps, a teacher that sees the same augmented view beats one whose outputs were computed once on the clean image',
    required: { gainPoints: 2 },
    async measure(lab) {
      const data = await lab.data({ builtin: 'builtin:glyphs?samples=2500&size=16&classes=10&difficulty=0.5' })
      const common = { data, lr: 8e-3, optimizer: 'adam' as const }
      const teacher = await lab.train({ ...common, student: 'small-cnn', steps: 800, augment: ['padded-crop', 'mixup'] })
      const methods = [{ key: 'patient-consistent-kd', options: { flip: false } }]
      const settings = { ...common, student: 'small-cnn:0.5', teacher, steps: 1200, labels: 'off' as const, methods }
      const consistent = await lab.train(settings)
      const fixed = await lab.train({ ...settings, teacherView: 'clean' })
      return { gainPoints: (await lab.evaluate(consistent, data)).top1 - (await lab.evaluate(fixed, data)).top1 }
    },
  },
})
