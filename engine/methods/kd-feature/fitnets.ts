import { z } from 'zod'
import { crossEntropy, softKl } from '../../losses/index.ts'
import type { Tensor } from '../../ops/index.ts'
import { defineMethod, type LossContext, type Progress, type Term } from '../method.ts'

interface Options {
  hintShare: number
  temperature: number
  lambda: number
}

/** Regressor r: a convolution whose kernel k = N_g - N_h + 1 makes the spatial sizes equal (1x1 for equal ones), a matrix for vectors. */
function regress(ctx: LossContext, guided: Tensor, hint: Tensor): Tensor {
  const [from, to] = [guided.shape[1]!, hint.shape[1]!]
  if (guided.rank === 2) return guided.matmul(ctx.param('regressor', [from, to], from))
  let v = guided
  // A guided map smaller than the hint is enlarged by repeating its positions before the convolution.
  const grow = hint.shape.slice(2).map((n, i) => Math.ceil(n / guided.shape[i + 2]!))
  if (grow.some((g) => g > 1)) {
    const [n, c, h, w] = v.shape as [number, number, number, number]
    v = v
      .reshape([n, c, h, 1, w, 1])
      .expand([n, c, h, grow[0]!, w, grow[1]!])
      .reshape([n, c, h * grow[0]!, w * grow[1]!])
  }
  const kernel = v.shape.slice(2).map((n, i) => n - hint.shape[i + 2]! + 1)
  return v.conv(ctx.param('regressor', [to, from, ...kernel], from * kernel.reduce((p, k) => p * k, 1)))
}

/**
 * Romero et al. 2015, FitNets: hints for thin deep nets. Stage 1 trains the student up to its guided layer and a regressor r:
 * L_hint = ||u_h(x) - r(v_g(x))||^2 / 2 (equation 3, here per element). Stage 2, r thrown away: L = CE(y, p_S) + lambda CE(p_T^tau, p_S^tau),
 * lambda falling linearly to 1 (equation 2). The pair is the middle one of those given.
 */
function loss(ctx: LossContext, o: Options, sign = 1): Record<string, Term> {
  const { student, teacher, target, labelSmoothing, stage, scalar } = ctx
  if (stage === 'hint') {
    const middle = Math.floor((student.features.length - 1) / 2)
    const hint = teacher.features[middle]!
    return { hint: { weight: sign, value: regress(ctx, student.features[middle]!, hint).sub(hint).square().mean().mul(0.5) } }
  }
  return {
    ...(target ? { hard: { value: crossEntropy(student.logits, target, { labelSmoothing }) } } : {}),
    soft: { weight: scalar('lambda'), value: softKl(student.logits, teacher.logits, o.temperature) },
  }
}

export default defineMethod<Options>({
  key: 'fitnets',
  title: 'Hints for thin deep nets',
  paper: 'arXiv:1412.6550',
  family: 'kd-feature',
  status: 'ready',
  needs: { labels: 'optional', features: true },
  options: z.strictObject({
    hintShare: z.number().gt(0).lt(1).default(0.3).describe('Share of the steps spent on the hint'),
    temperature: z.number().positive().default(3),
    lambda: z.number().min(1).default(4).describe('First weight of the soft term; it falls linearly to 1'),
  }),
  stages: ({ hintShare }) => [
    { name: 'hint', share: hintShare },
    { name: 'distill', share: 1 - hintShare },
  ],
  scalars: ({ step, steps }: Progress, { lambda }) => ({ lambda: lambda + (1 - lambda) * (step / Math.max(1, steps - 1)) }),
  loss: (ctx, o) => loss(ctx, o),
  sabotage: { loss: (ctx, o) => loss(ctx, o, -1) },
  check: {
    claim: 'a deep thin student that starts from a hint beats the same student with soft labels alone, and the hint loss falls',
    required: { gainPoints: 1.5, hintDropPercent: 50 },
    async measure(lab) {
      const data = await lab.data({ builtin: 'builtin:glyphs?samples=2500&size=16&classes=10&difficulty=0.5' })
      const teacher = await lab.train({ data, student: 'small-cnn', steps: 600, lr: 8e-3, optimizer: 'adam' })
      const settings = { data, student: 'plain-cnn:24,8', teacher, steps: 500, lr: 2e-3, optimizer: 'adam' as const }
      const hinted = await lab.train({ ...settings, methods: [{ key: 'fitnets', options: { hintShare: 0.4 } }] })
      const plain = await lab.train({ ...settings, methods: [{ key: 'hinton-kd', options: { temperature: 3, alpha: 0.8 } }] })
      const score = async (m: typeof plain) => (await lab.evaluate(m, data)).top1
      const { 'hint/hint': start, 'hint/hint/end': end } = hinted.stageTerms
      return { gainPoints: (await score(hinted)) - (await score(plain)), hintDropPercent: 100 * (1 - end! / start!) }
    },
  },
})
