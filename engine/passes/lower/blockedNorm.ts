import { PRIVATE, type Tensor } from '../../ops/index.ts'
import { defineLowering } from '../lowering.ts'
import { blocked, canBlock, meanOfChannels, perChannel, plain, source } from '../support/nchwc.ts'

/** x minus the mean of its channel. Written alike forward and backward, so that the builder merges the two. */
const centred = (x: Tensor, mean: Tensor): Tensor => perChannel(x, undefined, mean.neg())

/** Batch norm on the batch's statistics: five passes, all on blocked kernels. */
export const batchNormBlocked = defineLowering({
  op: 'BatchNorm',
  domain: PRIVATE,
  priority: 10,
  when: (ctx) => canBlock(ctx, ctx.x[0]) && source(ctx.x[0]) !== undefined,
  lower({ x: [x, scale, bias], a, target }) {
    const data = blocked(x, target.block)
    const channels = scale.size
    const mean = meanOfChannels(data, channels)
    const xc = centred(data, mean)
    const variance = meanOfChannels(xc.square(), channels)
    const inv = variance
      .add(a.epsilon as number)
      .sqrt()
      .reciprocal()
    return [plain(perChannel(xc, inv.mul(scale), bias), channels), mean, variance]
  },
})

/**
 * dx = scale inv (dy - dbias / m - xh dscale / m) with xh = (x - mean) inv, as two depthwise passes: one scales x - mean and adds the constant, the
 * other scales dy and adds the first.
 */
export const batchNormGradBlocked = defineLowering({
  op: 'BatchNormGrad',
  domain: PRIVATE,
  priority: 10,
  when: (ctx) => canBlock(ctx, ctx.x[0]) && (source(ctx.x[0]) !== undefined || source(ctx.x[4]) !== undefined),
  lower({ x: [x, scale, mean, variance, dy], a, target: { block } }) {
    const channels = scale.size
    const m = x.size / channels
    const [data, d] = [blocked(x, block), blocked(dy, block)]
    const xc = centred(data, mean)
    const inv = variance
      .add(a.epsilon as number)
      .sqrt()
      .reciprocal()
    // Means over the batch: dbias / m, and dscale / (m inv).
    const meanDy = meanOfChannels(d, channels)
    const meanDyXc = meanOfChannels(d.mul(xc), channels)
    const gain = inv.mul(scale)
    const slope = gain.mul(inv.square()).mul(meanDyXc).neg()
    const dx = perChannel(d, gain, undefined, perChannel(xc, slope, gain.mul(meanDy).neg()))
    return [plain(dx, channels), meanDyXc.mul(inv).mul(m), meanDy.mul(m)]
  },
})
