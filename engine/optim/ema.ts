import type { Tensor } from '../ops/index.ts'

/**
 * Exponential moving average of a parameter: shadow + (1 - decay) (p - shadow). `decay` in [0, 1); a tensor where it changes
 * with the step. Polyak and Juditsky 1992; Tarvainen and Valpola 2017, arXiv:1703.01780.
 */
export function ema(p: Tensor, shadow: Tensor, decay: number | Tensor): Tensor {
  const share = typeof decay === 'number' ? 1 - decay : decay.rsub(1)
  return shadow.add(p.sub(shadow).mul(share))
}

/** The decay of step 0, 1, 2, ... that reaches `decay` from below, so that the average forgets the initial weights early on. */
export const emaDecayAt = (step: number, decay: number): number => Math.min(decay, (1 + step) / (10 + step))
