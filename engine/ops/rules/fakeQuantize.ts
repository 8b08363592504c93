import { defineOp, PRIVATE } from '../rule.ts'
import { tieAxes } from '../support/axes.ts'
import type { Tensor } from '../tensor.ts'

/**
 * y = x0, and its gradient goes to x1 as if y were that. The pair makes an estimator of what has no useful derivative: x0 holds the rounded
 * numbers, x1 those that stand for them in differentiation. Bengio, Leonard & Courville 2013, arXiv:1308.3432. Lowered to x0.
 * No examples: its gradient is on purpose not that of its values, so differences say nothing; `fakeQuantize.test.ts` has the formulas.
 */
export const StraightThrough = defineOp({
  type: 'StraightThrough',
  domain: PRIVATE,
  since: 1,
  attrs: {},
  infer({ x: [hard, soft], fail }) {
    if (hard.shape.join() !== soft.shape.join()) fail(`[${hard.shape.join()}] stands for [${soft.shape.join()}]`)
    return [{ dtype: hard.dtype, shape: hard.shape }]
  },
  grad: ({ dy: [dy] }) => [null, dy],
  expand: ({ x: [hard] }) => [hard],
  cost: () => 0,
  channels: ({ x: [hard] }) => tieAxes(hard.shape.length, () => true),
  examples: [],
})

/** The values of `hard` with the gradient of `soft`. Equal shapes and types. */
export const straightThrough = (hard: Tensor, soft: Tensor): Tensor => hard.emit('StraightThrough', [soft], {}, { domain: PRIVATE })

/** The nearest integer, halves to even as QuantizeLinear has them; the gradient passes. */
export const roundThrough = (x: Tensor): Tensor => straightThrough(x.emit('Round'), x)

/** Integers that values become, counted from the one that stands for 0: at most 0 and at least 0. */
export interface Levels {
  readonly low: number
  readonly high: number
}

/** The factor of a learned step's gradient, 1 / sqrt(N Qp), for N numbers that share the step. Esser et al. 2020, section 2.2. */
export const stepGradientScale = (count: number, { high }: Levels): number => 1 / Math.sqrt(Math.max(1, count) * Math.max(1, high))

/**
 * Learned step size quantization: y = round(clip(x / s, low, high)) s, `step` s > 0 broadcasting over x. Gradients as published, not those of
 * the staircase: dy/dx = 1 inside and 0 outside; dy/ds = round(x / s) - x / s inside, low below, high above, times `gradientScale`.
 * Source: Esser et al. 2020, Learned Step Size Quantization, arXiv:1902.08153, equations 1 to 3 and section 2.2.
 */
export function learnedStep(x: Tensor, step: Tensor, { low, high }: Levels, gradientScale = 1): Tensor {
  const s = gradientScale === 1 ? step : straightThrough(step, step.mul(gradientScale))
  return roundThrough(x.div(s).emit('Clip', [x.lift(low), x.lift(high)])).mul(s)
}

/**
 * Parameterized clipping: y = clip(x, 0, alpha), rounded to `high` steps of alpha / high; alpha > 0 is a scalar. Rounding passes the gradient
 * straight through, so dy/dx = 1 between 0 and alpha and dy/dalpha = 1 where x >= alpha, else 0.
 * Source: Choi et al. 2018, PACT: Parameterized Clipping Activation, arXiv:1805.06085, equations 1 to 3.
 */
export function clippedActivation(x: Tensor, alpha: Tensor, { high }: Levels): Tensor {
  const clipped = x.maximum(0).minimum(alpha)
  const step = alpha.div(high)
  return straightThrough(clipped.div(step).emit('Round').mul(step), clipped)
}
