import type { Tensor } from '../ops/index.ts'

/** Keeps the scale finite for zero gradients; the same constant as in common frameworks. */
const EPSILON = 1e-6

/** Euclidean norm of all tensors taken as one vector. A scalar. */
export function globalNorm(tensors: readonly [Tensor, ...Tensor[]]): Tensor {
  const [first, ...rest] = tensors.map((t) => t.square().sum()) as [Tensor, ...Tensor[]]
  return rest.reduce((total, t) => total.add(t), first).sqrt()
}

/**
 * Scales all gradients by min(1, max / norm), Pascanu et al. 2013, arXiv:1211.5063. `max` > 0.
 * Returns them in order, and the norm before clipping (a scalar, worth logging).
 */
export function clipByGlobalNorm(grads: readonly Tensor[], max: number | Tensor): { grads: Tensor[]; norm: Tensor | undefined } {
  const [first, ...rest] = grads
  if (!first) return { grads: [], norm: undefined }
  const norm = globalNorm([first, ...rest])
  const scale = norm.lift(max).div(norm.add(EPSILON)).minimum(1)
  return { grads: grads.map((g) => g.mul(scale)), norm }
}
