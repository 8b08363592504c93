import { sizeOf } from '../../ir/index.ts'
import { float, int } from '../attrs.ts'
import { defineOp, PRIVATE } from '../rule.ts'
import type { Tensor } from '../tensor.ts'

const trailing = (rank: number, axis: number): number[] => Array.from({ length: rank - axis }, (_, i) => axis + i)
const kept = (shape: readonly number[], axis: number): number[] => shape.map((d, i) => (i < axis ? d : 1))

/**
 * [standardized x, 1 / deviation] over the axes from `axis` on; `centred` false leaves the mean in (root mean square).
 * @param x any float tensor. @param axis in [0, rank). Returns one tensor like x and one with the reduced axes kept as 1.
 */
export const standardize = (x: Tensor, axis: number, epsilon: number, centred = true): [Tensor, Tensor] =>
  x.b.emit('Standardize', [x], { axis, epsilon, centred: centred ? 1 : 0 }, { domain: PRIVATE, outputs: 2 }) as [Tensor, Tensor]

/**
 * z = (x - mean) * r with r = 1 / sqrt(var + epsilon), over the trailing axes: what layer, instance, group and RMS normalization share.
 * Outputs z, r. Ba, Kiros & Hinton 2016, equation 3; without the mean Zhang & Sennrich 2019, equation 4.
 */
export const Standardize = defineOp({
  type: 'Standardize',
  domain: PRIVATE,
  since: 1,
  attrs: { axis: int(-1), epsilon: float(1e-5), centred: int(1) },
  infer: ({ x: [x], a }) => [
    { dtype: x.dtype, shape: x.shape },
    { dtype: x.dtype, shape: kept(x.shape, a.axis) },
  ],
  expand({ x: [x], a }) {
    const axes = trailing(x.rank, a.axis)
    const centred = a.centred ? x.sub(x.mean(axes, true)) : x
    const r = centred.square().mean(axes, true).add(a.epsilon).sqrt().reciprocal()
    return [centred.mul(r), r]
  },
  // Both gradients need the outputs alone, so x itself is not kept for them. dr/dx = -r^2 z / n.
  grad({ x: [x], y: [z, r], dy: [dz, dr], given, a }) {
    const n = sizeOf(x.shape.slice(a.axis))
    const through = given[0]
      ? z.emit('StandardizeGrad', [r, dz], { axis: a.axis, centred: a.centred }, { domain: PRIVATE })
      : undefined
    if (!given[1]) return [through]
    const own = z.mul(dr.mul(r.square()).mul(-1 / n))
    return [through ? through.add(own) : own]
  },
  cost: ({ x: [x], a }) => (a.centred ? 7 : 4) * sizeOf(x.shape),
  examples: [],
})

/** dx = r (dz - mean dz - z mean(dz z)) over the trailing axes. Inputs z, r, dz. Without centring the first mean is left out. */
export const StandardizeGrad = defineOp({
  type: 'StandardizeGrad',
  domain: PRIVATE,
  since: 1,
  attrs: { axis: int(-1), centred: int(1) },
  infer: ({ x: [z] }) => [{ dtype: z.dtype, shape: z.shape }],
  grad: 'expand',
  expand({ x: [z, r, dz], a }) {
    const axes = trailing(z.rank, a.axis)
    const along = z.mul(dz.mul(z).mean(axes, true))
    const centred = a.centred ? dz.sub(dz.mean(axes, true)) : dz
    return [centred.sub(along).mul(r)]
  },
  cost: ({ x: [z] }) => 7 * sizeOf(z.shape),
  examples: [],
})
