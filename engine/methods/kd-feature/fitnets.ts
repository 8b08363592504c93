import { z } from 'zod'
import { crossEntropy, softKl } from '../../losses/index.ts'
import type { Tensor } from '../../ops/index.ts'
import type { LabModel } from '../lab.ts'
import { defineMethod, type LossContext, type Progress, type Term } from '../method.ts'
import { digits, drawRows, kl, meanOf, softmax, sum } from '../reference.ts'

interface Options {
  hintShare: number
  temperature: number
  lambda: number
}

/** Whether a (detached) value comes out of a rectifier. */
function rectified(t: Tensor): boolean {
  const made = t.b.steps[t.step]
  return made?.node.op === 'StopGradient' ? rectified(made.inputs[0]!) : made?.node.op === 'Relu'
}

/**
 * Regressor r: a convolution with bias whose kernel k = N_g - N_h + 1 makes the spatial sizes equal (1x1 for equal ones), a matrix for
 * vectors; it ends in the hint's own rectifier, where the hint has one, as the released code does.
 */
function regress(ctx: LossContext, guided: Tensor, hint: Tensor): Tensor {
  const [from, to] = [guided.shape[1]!, hint.shape[1]!]
  const spatial = hint.shape.slice(2).map(() => 1)
  // A bias that begins near zero: its fan-in is the number of values that it is added to.
  const bias = ctx.param('bias', [1, to, ...spatial], hint.size)
  const map = (): Tensor => {
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
  const r = map().add(bias)
  return rectified(hint) ? r.relu() : r
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

/** Numbers for both stages: features [2, 2, 1, 2] and [2, 3, 1, 2], so that the regressor is a matrix [3, 2] at each position. */
function points(seed: number) {
  const flat = (name: string, count: number) => drawRows(seed, name, 1, count)[0]!
  return {
    student: drawRows(seed, 'student', 2, 3),
    teacher: drawRows(seed, 'teacher', 2, 3),
    labels: [2, 0],
    guided: flat('guided', 8),
    hint: flat('hint', 12),
    params: { regressor: flat('regressor', 6), bias: flat('bias', 3) },
  }
}

/** Half the mean squared distance of hint and regressed features. */
function hintByHand({ guided, hint, params }: ReturnType<typeof points>): number {
  const squares = hint.map((wanted, i) => {
    const [n, to, at] = [Math.floor(i / 6), Math.floor(i / 2) % 3, i % 2]
    const r = params.bias[to]! + sum([0, 1].map((from) => params.regressor[to * 2 + from]! * guided[n * 4 + from * 2 + at]!))
    return (wanted - r) ** 2
  })
  return meanOf(squares) / 2
}

/** Value and gradient of the second stage: (p_S - y) + (lambda / tau) (p_S^tau - p_T^tau) for each sample, over the batch. */
function distilByHand({ student, teacher, labels }: ReturnType<typeof points>, lambda: number, tau: number): number[] {
  const value = meanOf(
    student.map((s, n) => -Math.log(softmax(s)[labels[n]!]!) + lambda * kl(softmax(teacher[n]!, tau), softmax(s, tau))),
  )
  const gradient = student.flatMap((s, n) => {
    const [hard, soft, wanted] = [softmax(s), softmax(s, tau), softmax(teacher[n]!, tau)]
    return s.map((_, c) => (hard[c]! - (c === labels[n] ? 1 : 0) + (lambda / tau) * (soft[c]! - wanted[c]!)) / student.length)
  })
  return [value, ...gradient]
}

export default defineMethod<Options>({
  key: 'fitnets',
  title: 'Hints for thin deep nets',
  paper: 'arXiv:1412.6550',
  limit:
    'The hint stage costs steps: given as many steps in all, soft labels alone ended 4.8 points higher over ten seeds of its check. It pays where the second stage is fixed.',
  equation: 'stage 1: L = ½ mean (h_T − r(g_S))²; stage 2: L = CE(y, p_S) + λ KL(p_T^(T) ‖ p_S^(T)), λ falling to 1',
  family: 'kd-feature',
  status: 'ready',
  needs: { labels: 'optional', features: true },
  options: z.strictObject({
    hintShare: z.number().min(0).max(1).default(0.3).describe('Share of the steps spent on the hint; 0 and 1 leave a stage out'),
    temperature: z.number().positive().default(3),
    lambda: z.number().min(1).default(4).describe('First weight of the soft term; it falls linearly to 1'),
  }),
  stages: ({ hintShare }) =>
    [
      { name: 'hint', share: hintShare },
      { name: 'distill', share: 1 - hintShare },
    ].filter(({ share }) => share > 0),
  scalars: ({ step, steps }: Progress, { lambda }) => ({ lambda: lambda + (1 - lambda) * (step / Math.max(1, steps - 1)) }),
  loss: (ctx, o) => loss(ctx, o),
  sabotage: { loss: (ctx, o) => loss(ctx, o, -1) },
  check: {
    claim:
      'a deep thin student that starts from hints beats the same student with soft labels alone over the same second stage; hints of an untrained teacher do not help as much; the hint loss falls by 80 %',
    required: { gainPoints: 3, overUntrainedPoints: 1.5, hintDropPercent: 80 },
    async formula(lab) {
      const p = points(lab.seed)
      const { student, teacher, labels, params } = p
      const features = [{ student: { shape: [2, 2, 1, 2], values: p.guided }, teacher: { shape: [2, 3, 1, 2], values: p.hint } }]
      const hint = await lab.formula('fitnets', { student, teacher, features, params, stage: 'hint' })
      // Half way from 4 to 1.
      const progress = { step: 5, steps: 11 }
      const distil = await lab.formula('fitnets', { student, teacher, labels, stage: 'distill', progress })
      return Math.min(digits([hint.total], [hintByHand(p)]), digits([distil.total, ...distil.gradient], distilByHand(p, 2.5, 3)))
    },
    async measure(lab) {
      const data = await lab.data({ builtin: 'builtin:glyphs?samples=4000&size=12&classes=10&difficulty=0.4&test=0.3' })
      const adam = { data, optimizer: 'adam' as const }
      const wide = { ...adam, student: 'mlp:128,32,32', lr: 3e-3 }
      const teacher = await lab.train({ ...wide, steps: 400 })
      const untrained = await lab.train({ ...wide, steps: 1, lr: 1e-9 })
      // 12 layers of 24 units without normalisation: a student that learns slowly from scratch.
      const student = { ...adam, student: `mlp:${new Array(12).fill(24).join()}`, lr: 2e-3, pairs: ['hidden5=hidden1'] }
      const hinted = (from: LabModel) =>
        lab.train({ ...student, teacher: from, steps: 1200, methods: [{ key: 'fitnets', options: { hintShare: 1 } }] })
      const distilled = async (steps: number, start?: LabModel) => {
        const methods = [{ key: 'fitnets', options: { hintShare: 0 } }]
        return (await lab.evaluate(await lab.train({ ...student, teacher, steps, methods, ...(start ? { start } : {}) }), data))
          .top1
      }
      const hint = await hinted(teacher)
      const [alone, taught, control] = [
        await distilled(400),
        await distilled(400, hint),
        await distilled(400, await hinted(untrained)),
      ]
      const { 'hint/hint': first, 'hint/hint/end': last } = hint.stageTerms
      return {
        gainPoints: taught - alone,
        overUntrainedPoints: taught - control,
        hintDropPercent: 100 * (1 - last! / first!),
        // Hints cost the steps of their stage: against soft labels alone for as many steps in all.
        equalStepsGainPoints: taught - (await distilled(1600)),
        hintedPercent: taught,
      }
    },
  },
})
