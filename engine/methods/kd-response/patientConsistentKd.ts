import { z } from 'zod'
import { softKl } from '../../losses/index.ts'
import { defineMethod, type LossContext } from '../method.ts'
import { digits, drawRows, kl, meanOf, softmax, type Rows } from '../reference.ts'

/**
 * Beyer et al. 2022, Knowledge distillation: a good teacher is patient and consistent. Function matching: teacher and student see the
 * very same crop and mixture of images, L = KL(p_T || p_S) at temperature 1, no labels, and a long schedule.
 */
const loss = ({ student, teacher }: LossContext, sign = 1) => ({
  match: { weight: sign, value: softKl(student.logits, teacher.logits, 1) },
})

/** The divergence, and its gradient p_S - p_T for each sample over the batch. */
function byHand(student: Rows, teacher: Rows): number[] {
  const pairs = student.map((s, n) => [softmax(teacher[n]!), softmax(s)] as const)
  return [meanOf(pairs.map(([p, q]) => kl(p, q))), ...pairs.flatMap(([p, q]) => q.map((x, c) => (x - p[c]!) / student.length))]
}

interface Options {
  crop: boolean
  flip: boolean
  mixup: boolean
}

export default defineMethod<Options>({
  key: 'patient-consistent-kd',
  title: 'Patient and consistent teacher (function matching)',
  paper: 'arXiv:2106.05237',
  limit: 'Patience takes time: the gain comes with schedules many times the usual length, most where images are few.',
  equation: 'L = KL(p_T ‖ p_S), both on the same augmented view',
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
      'at equal steps, a teacher that sees the same augmented view beats one whose outputs were computed once on the clean image; and a schedule of eight times the length gains more than label-only training gains by it',
    required: { gainPoints: 2, patienceGainPoints: 0.5 },
    async formula(lab) {
      const [student, teacher] = [drawRows(lab.seed, 'student', 4, 3), drawRows(lab.seed, 'teacher', 4, 3)]
      const found = await lab.formula('patient-consistent-kd', { student, teacher })
      return digits([found.total, ...found.gradient], byHand(student, teacher))
    },
    async measure(lab) {
      const data = await lab.data({ builtin: 'builtin:glyphs?samples=3000&size=12&classes=10&difficulty=0.5&test=0.3' })
      const common = { data, lr: 8e-3, optimizer: 'adam' as const }
      const teacher = await lab.train({ ...common, student: 'small-cnn', steps: 400, augment: ['padded-crop:padding=2', 'mixup'] })
      // Few images: with labels alone a long schedule has little left to learn from them.
      const student = { ...common, student: 'small-cnn:0.5', batch: 32, indices: data.train.slice(0, 200) }
      const methods = [{ key: 'patient-consistent-kd', options: { flip: false } }]
      const score = async (m: typeof teacher) => (await lab.evaluate(m, data)).top1
      const matched = async (steps: number, teacherView: 'same' | 'clean' = 'same') =>
        score(await lab.train({ ...student, teacher, steps, labels: 'off', methods, teacherView }))
      // The same views, their labels mixed as the images are.
      const labelled = async (steps: number) =>
        score(await lab.train({ ...student, steps, augment: ['random-resized-crop', 'mixup'] }))
      const [short, long, fixed] = [await matched(200), await matched(1600), await matched(1600, 'clean')]
      const [shortLabels, longLabels] = [await labelled(200), await labelled(1600)]
      return {
        gainPoints: long - fixed,
        patienceGainPoints: long - short - (longLabels - shortLabels),
        shortPercent: short,
        longPercent: long,
        shortLabelPercent: shortLabels,
        longLabelPercent: longLabels,
      }
    },
  },
})
