import { z } from 'zod'
import { crossEntropy, softKl } from '../../losses/index.ts'
import type { Tensor } from '../../ops/index.ts'
import { defineMethod, type LossContext, type Progress } from '../method.ts'

interface Options {
  temperature: number
  alpha: number
  labelWeight: number
  warmupShare: number
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
const loss = ({ student, teacher, target, labelSmoothing, scalar }: LossContext, o: Options, axis: 0 | 1 = 0, sign = 1) => {
  const weight = scalar('warmup').mul(sign * o.alpha ** 2)
  return {
    ...(target ? { label: { weight: o.labelWeight, value: crossEntropy(student.logits, target, { labelSmoothing }) } } : {}),
    perception: { weight, value: softKl(standardise(student.logits, axis), standardise(teacher.logits, axis), o.temperature) },
  }
}

export default defineMethod<Options>({
  key: 'luminet-kd',
  title: 'Class-standardised logits (LumiNet)',
  paper: 'arXiv:2310.03669',
  family: 'kd-response',
  status: 'ready',
  needs: { labels: 'optional' },
  options: z.strictObject({
    temperature: z.number().positive().default(4),
    alpha: z.number().positive().default(5).describe('Squared weight of the perception term; the paper has 34 at a rate of 0.05'),
    labelWeight: z.number().min(0).default(2),
    warmupShare: z.number().min(0).max(1).default(0.1).describe('Share of the steps over which the perception term rises'),
  }),
  scalars: ({ step, steps }: Progress, { warmupShare }) => ({
    warmup: warmupShare === 0 ? 1 : Math.min(1, step / (warmupShare * steps)),
  }),
  loss: (ctx, o) => loss(ctx, o),
  sabotage: { loss: (ctx, o) => loss(ctx, o, 0, -1) },
  check: {
    claim: 'with an over-confident teacher, standardising each class over the batch beats soft labels (T = 4)',
    required: { gainPoints: 0.5 },
    async measure(lab) {
      const data = await lab.data({ builtin: 'builtin:glyphs?samples=3000&size=16&classes=20&difficulty=0.6' })
      const teacher = await lab.train({ data, student: 'small-cnn', steps: 700, lr: 3e-3, optimizer: 'adam' })
      const settings = { data, student: 'mlp:32', teacher, steps: 700, batch: 128, lr: 3e-3, optimizer: 'adam' as const }
      const luminet = await lab.train({ ...settings, methods: [{ key: 'luminet-kd' }] })
      const hinton = await lab.train({ ...settings, methods: [{ key: 'hinton-kd' }] })
      return { gainPoints: (await lab.evaluate(luminet, data)).top1 - (await lab.evaluate(hinton, data)).top1 }
    },
  },
})
