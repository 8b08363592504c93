import { float, int } from '../attrs.ts'
import { defineOp, PRIVATE, type Tie } from '../rule.ts'
import type { Tensor } from '../tensor.ts'

const product = (list: readonly number[]) => list.reduce((n, d) => n * d, 1)
/** A per-channel vector, shaped to broadcast over [N, C, ...]. */
const perChannel = (v: Tensor, rank: number): Tensor => (rank <= 1 ? v : v.reshape([1, v.size, ...Array<number>(rank - 2).fill(1)]))
const allButChannel = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i).filter((i) => i !== 1)
const channelTies = (vectors: number): Tie[] => [
  { a: ['x0', 1], b: ['y0', 1] },
  ...Array.from({ length: vectors }, (_, i): Tie => ({ a: ['x0', 1], b: [`x${i + 1}`, 0] })),
]

/**
 * y = scale (x - mean) / sqrt(var + epsilon) + bias, by channel. With training_mode the statistics are the batch's, and the further
 * outputs are the running ones: running = input * momentum + batch * (1 - momentum). Spec: onnx BatchNormalization-15.
 */
export const BatchNormalization = defineOp({
  type: 'BatchNormalization',
  since: 9,
  attrs: { epsilon: float(1e-5), momentum: float(0.9), training_mode: int(0) },
  infer({ x: [x, scale, , mean], outputs, fail }) {
    const channels = x.shape[1] ?? 1
    if (scale.shape[0] !== channels) fail(`scale has ${scale.shape[0]} values for ${channels} channels`)
    const vector = { dtype: mean.dtype, shape: mean.shape }
    return [{ dtype: x.dtype, shape: x.shape }, vector, vector].slice(0, outputs)
  },
  grad: 'expand',
  expand({ x: [x, scale, bias, mean, variance], a, outputs }) {
    const r = x.rank
    if (!a.training_mode) {
      const inv = variance.add(a.epsilon).sqrt().reciprocal()
      return [
        x
          .sub(perChannel(mean, r))
          .mul(perChannel(inv.mul(scale), r))
          .add(perChannel(bias, r)),
      ]
    }
    const [y, m, v] = batchNorm(x, scale, bias, a.epsilon)
    const running = (old: Tensor, now: Tensor) => old.mul(a.momentum).add(now.mul(1 - a.momentum))
    return [y!, running(mean, m!), running(variance, v!)].slice(0, outputs)
  },
  cost: ({ x: [x], a }) => (a.training_mode ? 7 : 2) * product(x.shape),
  channels: () => channelTies(4),
  examples: [
    { x: [[3, 2, 4, 3], [2], [2], [2], { shape: [2], range: [0.5, 2] }] },
    { x: [[5, 3], [3], [3], [3], { shape: [3], range: [0.5, 2] }], a: { epsilon: 1e-2 } },
    { x: [[3, 2, 4, 3], [2], [2], [2], { shape: [2], range: [0.5, 2] }], a: { training_mode: 1, momentum: 0.8 }, outputs: 3 },
  ],
})

/** Training-mode batch norm: [y, batch mean, batch variance (biased)]. */
export const batchNorm = (x: Tensor, scale: Tensor, bias: Tensor, epsilon: number): Tensor[] =>
  x.b.emit('BatchNorm', [x, scale, bias], { epsilon }, { domain: PRIVATE, outputs: 3 })

/** Batch norm on the batch's own statistics. Inputs x [N,C,..], scale [C], bias [C]; outputs y, mean [C], var [C]. Ioffe & Szegedy 2015, Algorithm 1. */
export const BatchNorm = defineOp({
  type: 'BatchNorm',
  domain: PRIVATE,
  since: 1,
  attrs: { epsilon: float(1e-5) },
  infer({ x: [x, scale] }) {
    const vector = { dtype: x.dtype, shape: scale.shape }
    return [{ dtype: x.dtype, shape: x.shape }, vector, vector]
  },
  expand({ x: [x, scale, bias], a }) {
    const axes = allButChannel(x.rank)
    const mean = x.mean(axes)
    const centred = x.sub(perChannel(mean, x.rank))
    const variance = centred.square().mean(axes)
    const inv = variance.add(a.epsilon).sqrt().reciprocal()
    return [centred.mul(perChannel(inv.mul(scale), x.rank)).add(perChannel(bias, x.rank)), mean, variance]
  },
  grad({ x: [x, scale], y: [, mean, variance], dy: [dy, dmean, dvar], given, a }) {
    const grads = x.b.emit('BatchNormGrad', [x, scale, mean, variance, dy], { epsilon: a.epsilon }, { domain: PRIVATE, outputs: 3 })
    let dx = grads[0]!
    // The statistics are outputs too: the second order reaches them through BatchNormGrad.
    const m = x.size / scale.size
    if (given[1]) dx = dx.add(perChannel(dmean.div(m), x.rank))
    if (given[2]) dx = dx.add(x.sub(perChannel(mean, x.rank)).mul(perChannel(dvar.mul(2 / m), x.rank)))
    return [dx, grads[1], grads[2]]
  },
  cost: ({ x: [x] }) => 7 * product(x.shape),
  channels: () => channelTies(2),
  examples: [],
})

/**
 * Gradients of BatchNorm given its statistics. Inputs x, scale, mean, var, dy; outputs dx, dscale, dbias.
 * With xh = (x - mean) / sqrt(var + eps) and m values a channel:
 * dbias = sum dy, dscale = sum dy xh, dx = scale / sqrt(var + eps) (dy - dbias / m - xh dscale / m).
 */
export const BatchNormGrad = defineOp({
  type: 'BatchNormGrad',
  domain: PRIVATE,
  since: 1,
  attrs: { epsilon: float(1e-5) },
  infer({ x: [x, scale] }) {
    const vector = { dtype: x.dtype, shape: scale.shape }
    return [{ dtype: x.dtype, shape: x.shape }, vector, vector]
  },
  grad: 'expand',
  expand({ x: [x, scale, mean, variance, dy], a }) {
    const r = x.rank
    const axes = allButChannel(r)
    const m = x.size / scale.size
    const inv = variance.add(a.epsilon).sqrt().reciprocal()
    const xh = x.sub(perChannel(mean, r)).mul(perChannel(inv, r))
    const dbias = dy.sum(axes)
    const dscale = dy.mul(xh).sum(axes)
    const dx = dy
      .sub(perChannel(dbias.div(m), r))
      .sub(xh.mul(perChannel(dscale.div(m), r)))
      .mul(perChannel(inv.mul(scale), r))
    return [dx, dscale, dbias]
  },
  cost: ({ x: [x] }) => 9 * product(x.shape),
  examples: [],
})
