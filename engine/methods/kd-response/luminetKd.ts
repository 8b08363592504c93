import { z } from 'zod'
import { crossEntropy, softKl } from '../../losses/index.ts'
import type { Tensor } from '../../ops/index.ts'
import { defineMethod, type LossContext, type Progress } from '../method.ts'
import { digits, drawRows, kl, meanOf, softmax, type Rows } from '../reference.ts'

interface Options {
  temperature: number
  alpha: number
  labelWeight: number
  warmupShare: number
  over: 'batch' | 'classes'
}

/** Standardises along an axis: 0, every class over the batch, as the paper does; biased variance, epsilon 1e-5. */
function standardise(z: Tensor, axis: 0 | 1): Tensor {
  const centred = z.sub(z.mean([axis], true))
  return centred.div(centred.square().mean([axis], true).add(1e-5).sqrt())
}

/**
 * Hossain et al. 2023, LumiNet: the bright side of perceptual knowledge distillation, with the released code's form.
 * z~[i,c] = (z[i,c] - mean_i z[.,c]) / sqrt(var_i z[.,c] + 1e-5);
 * L = w CE + m(t) a^2 KL(softmax(z~_T / T) || softmax(z~_S / T)), m rising linearly from 0 to 1.
 */
const loss = ({ student, teacher, target, labelSmoothing, scalar }: LossContext, o: Options, sign = 1) => {
  const axis = o.over === 'batch' ? 0 : 1
  const weight = scalar('warmup').mul(sign * o.alpha ** 2)
  return {
    ...(target ? { label: { weight: o.labelWeight, value: crossEntropy(student.logits, target, { labelSmoothing }) } } : {}),
    perception: { weight, value: softKl(standardise(student.logits, axis), standardise(teacher.logits, axis), o.temperature) },
  }
}

/** Loss and gradient in float64; the gradient goes back through the standardisation of each class as through a batch norm. */
function byHand(
  student: Rows,
  teacher: Rows,
  labels: readonly number[],
  o: Pick<Options, 'temperature' | 'alpha' | 'labelWeight'>,
) {
  const [n, classes, T] = [student.length, student[0]!.length, o.temperature]
  const standard = (rows: Rows) => {
    const columns = Array.from({ length: classes }, (_, c) => rows.map((row) => row[c]!))
    const mean = columns.map(meanOf)
    const deviation = columns.map((v, c) => Math.sqrt(meanOf(v.map((x) => (x - mean[c]!) ** 2)) + 1e-5))
    return { deviation, z: rows.map((row) => row.map((x, c) => (x - mean[c]!) / deviation[c]!)) }
  }
  const [mine, theirs] = [standard(student), standard(teacher)]
  const [p, q] = [theirs.z.map((row) => softmax(row, T)), mine.z.map((row) => softmax(row, T))]
  const hard = student.map((row) => softmax(row))
  const value =
    o.labelWeight * meanOf(hard.map((row, i) => -Math.log(row[labels[i]!]!))) +
    o.alpha ** 2 * meanOf(p.map((row, i) => kl(row, q[i]!)))
  const slope = q.map((row, i) => row.map((x, c) => (o.alpha ** 2 * (x - p[i]![c]!)) / (T * n)))
  const gradient = student.flatMap((row, i) =>
    row.map((_, c) => {
      const g = slope.map((s) => s[c]!)
      const along = meanOf(g.map((x, k) => x * mine.z[k]![c]!))
      const label = (o.labelWeight * (hard[i]![c]! - (c === labels[i] ? 1 : 0))) / n
      return label + (g[i]! - meanOf(g) - mine.z[i]![c]! * along) / mine.deviation[c]!
    }),
  )
  return [value, ...gradient]
}

export default defineMethod<Options>({
  key: 'luminet-kd',
  title: 'Class-standardised logits (LumiNet)',
  paper: 'arXiv:2310.03669',
  limit: 'Standardises over the batch, so batches of 8 to 16 are too small for it. Most of the gain is standardising at all.',
  equation: 'z̃ = (z − E[z_c]) / √(Var[z_c] + ε) over the batch; L = w CE(y, p_S) + α² KL(softmax(z̃_T / T) ‖ softmax(z̃_S / T))',
  family: 'kd-response',
  status: 'ready',
  needs: { labels: 'optional' },
  options: z.strictObject({
    temperature: z.number().positive().default(4),
    alpha: z
      .number()
      .positive()
      .default(34)
      .describe('The perception term weighs its square; 34 is that of the released CIFAR-100 settings'),
    labelWeight: z.number().min(0).default(2),
    warmupShare: z.number().min(0).max(1).default(0.1).describe('Share of the steps over which the perception term rises'),
    over: z
      .enum(['batch', 'classes'])
      .default('batch')
      .describe('What a logit is standardised over: its class in the batch, as the paper does, or the other classes of its sample'),
  }),
  scalars: ({ step, steps }: Progress, { warmupShare }) => ({
    warmup: warmupShare === 0 ? 1 : Math.min(1, step / (warmupShare * steps)),
  }),
  loss: (ctx, o) => loss(ctx, o),
  sabotage: { loss: (ctx, o) => loss(ctx, o, -1) },
  check: {
    claim:
      'with an over-confident teacher, standardising each class over the batch beats soft labels (T = 4) of the best of three weights, and standardising each sample over the classes instead, with the better of two weights, does not gain as much',
    required: { gainPoints: 1, overRowsPoints: 0.5 },
    async formula(lab) {
      const [student, teacher, labels] = [drawRows(lab.seed, 'student', 5, 3), drawRows(lab.seed, 'teacher', 5, 3), [0, 2, 1, 1, 0]]
      const options = { temperature: 4, alpha: 5, labelWeight: 2 }
      const point = { student, teacher, labels, options, progress: { step: 10, steps: 10 } }
      const found = await lab.formula('luminet-kd', point)
      return digits([found.total, ...found.gradient], byHand(student, teacher, labels, options))
    },
    async measure(lab) {
      const data = await lab.data({ builtin: 'builtin:glyphs?samples=5000&size=12&classes=20&difficulty=0.4&test=0.4' })
      const adam = { data, lr: 3e-3, optimizer: 'adam' as const }
      const teacher = await lab.train({ ...adam, student: 'small-cnn', steps: 500, lr: 8e-3 })
      const score = async (key: string, options: Record<string, unknown>) => {
        const settings = { ...adam, student: 'mlp:64', teacher, steps: 700, batch: 128, methods: [{ key, options }] }
        return (await lab.evaluate(await lab.train(settings), data)).top1
      }
      const classes = await score('luminet-kd', {})
      const rows = [await score('luminet-kd', { over: 'classes' }), await score('luminet-kd', { over: 'classes', alpha: 15 })]
      const hinton: number[] = []
      for (const alpha of [0.1, 0.5, 0.9]) hinton.push(await score('hinton-kd', { alpha }))
      return {
        gainPoints: classes - Math.max(...hinton),
        overRowsPoints: classes - Math.max(...rows),
        hintonPercent: Math.max(...hinton),
        teacherTrainPercent: (await lab.evaluate(teacher, data, { part: 'train' })).top1,
      }
    },
  },
})
