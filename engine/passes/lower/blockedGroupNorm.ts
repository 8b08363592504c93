import { PRIVATE, type Tensor } from '../../ops/index.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { blocked, canBlock, meanOfPositions, perChannel, plain, source } from '../support/nchwc.ts'

/** The picture [N, C, H, W] that a value [N, groups, rest] is a view of. */
function picture(t: Tensor): Tensor | undefined {
  const step = t.step < 0 ? undefined : t.b.steps[t.step]!
  const from = step?.node.op === 'Reshape' ? step.inputs[0] : undefined
  return from?.rank === 4 && t.rank === 3 && from.shape[0] === t.shape[0] ? from : undefined
}

/** Whole channels in whole blocks, so that nothing that fills up a block enters a mean. */
const fits = (ctx: LoweringContext, x: Tensor, groups: number): boolean =>
  canBlock(ctx, x) && x.shape[1]! % ctx.target.block === 0 && x.shape[1]! % groups === 0

const viewed = (t: Tensor, like: Tensor): Tensor => plain(t, t.shape[1]!).reshape(like.shape)

/** Mean of each image and group [N, groups, 1] of a blocked value. */
function meanOfGroups(x: Tensor, groups: number): Tensor {
  const [n, c] = x.shape as [number, number]
  return meanOfPositions(x, c)
    .reshape([n, groups, c / groups])
    .mean([2], true)
}

/** x * scale + bias + plus with one number of an image and group: the depthwise kernel with the channels of all images side by side. */
function perGroup(x: Tensor, scale: Tensor | undefined, bias?: Tensor, plus?: Tensor): Tensor {
  const [n, c, h, w] = x.shape as [number, number, number, number]
  const flat = [1, n * c, h, w]
  const spread = (v: Tensor | undefined) => v?.expand([n, v.shape[1]!, c / v.shape[1]!]).reshape([n * c])
  return perChannel(x.reshape(flat), spread(scale), spread(bias), plus?.reshape(flat)).reshape(x.shape)
}

/** Group norm's standardization on blocked values: four passes, and none to reorder them. */
export const standardizeGroupsBlocked = defineLowering({
  op: 'Standardize',
  domain: PRIVATE,
  priority: 10,
  when(ctx) {
    const x = picture(ctx.x[0])
    return x !== undefined && source(x) !== undefined && ctx.a.axis === 2 && ctx.a.centred === 1 && fits(ctx, x, ctx.x[0].shape[1]!)
  },
  lower({ x: [x], a }) {
    const data = source(picture(x))!
    const groups = x.shape[1]!
    const centred = perGroup(data, undefined, meanOfGroups(data, groups).neg())
    const r = meanOfGroups(centred.square(), groups)
      .add(a.epsilon as number)
      .sqrt()
      .reciprocal()
    return [viewed(perGroup(centred, r), x), r]
  },
})

/** dx = r dz - r mean dz - z r mean(dz z) as two passes of the depthwise kernel. */
export const standardizeGroupsGradBlocked = defineLowering({
  op: 'StandardizeGrad',
  domain: PRIVATE,
  priority: 10,
  when(ctx) {
    const [z, d] = [picture(ctx.x[0]), picture(ctx.x[2])]
    return z !== undefined && d !== undefined && source(z) !== undefined && ctx.a.axis === 2 && ctx.a.centred === 1 &&
      fits(ctx, z, ctx.x[0].shape[1]!) // prettier-ignore
  },
  lower({ x: [z, r, dz], target: { block } }) {
    const [own, d] = [source(picture(z))!, blocked(picture(dz)!, block)]
    const groups = z.shape[1]!
    const along = meanOfGroups(d.mul(own), groups).mul(r).neg()
    const shift = meanOfGroups(d, groups).mul(r).neg()
    return [viewed(perGroup(d, r, undefined, perGroup(own, along, shift)), z)]
  },
})
