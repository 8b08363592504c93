import { z } from 'zod'
import type { Tensor } from '../ops/index.ts'

/** Options that Adam and AdamW share. */
export const momentOptions = {
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.999),
  epsilon: z.number().positive().default(1e-8),
}

export interface MomentOptions {
  beta1: number
  beta2: number
  epsilon: number
}

/**
 * Bias corrections of Kingma and Ba 2015: `first` = 1 / (1 - beta1^t), `second` = 1 / sqrt(1 - beta2^t), t = step + 1.
 * Computed in double: in float32 1 - 0.999^1 has lost four digits.
 */
export const momentScalars = (step: number, o: MomentOptions): Record<string, number> => ({
  first: 1 / (1 - o.beta1 ** (step + 1)),
  second: 1 / Math.sqrt(1 - o.beta2 ** (step + 1)),
})

/** New moments and the step `m^ / (sqrt(v^) + epsilon)`, without the rate. */
export function momentStep(
  g: Tensor,
  slots: Readonly<Record<string, Tensor>>,
  scalars: Readonly<Record<string, Tensor>>,
  o: MomentOptions,
): { m: Tensor; v: Tensor; direction: Tensor } {
  const m = slots.m!.mul(o.beta1).add(g.mul(1 - o.beta1))
  const v = slots.v!.mul(o.beta2).add(g.square().mul(1 - o.beta2))
  const denominator = v.sqrt().mul(scalars.second!).add(o.epsilon)
  return { m, v, direction: m.mul(scalars.first!).div(denominator) }
}
