import { PRIVATE, type Tensor } from '../../ops/index.ts'
import { geometry, type SpatialAttrs } from '../../ops/support/spatial.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { blocked, blockedConv, canBlock, grown, plain, wholeBlocks } from '../support/nchwc.ts'

/** Depthwise convolutions: as many groups as channels, one output channel each. */
type ConvAttrs = SpatialAttrs & { group: number; input_shape?: readonly number[]; kernel_shape: readonly number[] }
const attrsOf = (a: LoweringContext['a']) => a as unknown as ConvAttrs

const depthwise = (ctx: LoweringContext, data: Tensor, outputs: number): boolean =>
  canBlock(ctx, data) && attrsOf(ctx.a).group > 1 && attrsOf(ctx.a).group === outputs && 2 * outputs >= ctx.target.block

/** [C, 1, h, w] stored as [C/B][taps][c], the taps in reverse where asked. */
function blockedWeight(w: Tensor, block: number, reversed = false): Tensor {
  const c = wholeBlocks(w.shape[0]!, block)
  const k = w.shape[2]! * w.shape[3]!
  const flat = grown(w, { 0: c }).reshape([c / block, block, k])
  const taps = reversed && k > 1 ? flat.gather(w.b.ints(Array.from({ length: k }, (_, n) => k - 1 - n)), 2) : flat
  return taps.transpose([0, 2, 1]).reshape([c, 1, w.shape[2]!, w.shape[3]!])
}

export const depthwiseBlocked = defineLowering({
  op: 'Conv',
  priority: 10,
  when: (ctx) => !ctx.x[1].value && depthwise(ctx, ctx.x[0], ctx.x[0].shape[1]!) && ctx.x[1].shape[0] === ctx.x[0].shape[1],
  lower({ x: [x, w], a, opt, target: { block } }) {
    const g = geometry(x.shape.slice(2), w.shape.slice(2), attrsOf(a))
    const group = wholeBlocks(w.shape[0]!, block)
    const bias = opt(2) && grown(opt(2)!, { 0: group })
    const { strides, dilations } = g
    const y = blockedConv(blocked(x, block), blockedWeight(w, block), {
      strides,
      dilations,
      pads: [...g.begin, ...g.end],
      group,
      bias,
    })
    return [plain(y, w.shape[0]!)]
  },
})

/** dx: dy with zeros between its elements where the convolution strides, convolved with the reversed taps. */
export const depthwiseGradInputBlocked = defineLowering({
  op: 'ConvGradInput',
  domain: PRIVATE,
  priority: 10,
  when: (ctx) => depthwise(ctx, ctx.x[0], ctx.x[0].shape[1]!) && ctx.x[1].shape[0] === ctx.x[0].shape[1] && ctx.x[1].shape[1] === 1,
  lower({ x: [dy, w], a, target: { block } }) {
    const s = attrsOf(a)
    const [n, c] = [dy.shape[0]!, wholeBlocks(w.shape[0]!, block)]
    const [h, v] = dy.shape.slice(2) as [number, number]
    const [sh, sw] = s.strides as [number, number]
    const spread = [h * sh, v * sw]
    const begin = s.kernel_shape.map((k, d) => (k - 1) * s.dilations![d]! - s.pads![d]!)
    const end = s.input_shape!.map((size, d) => size - spread[d]! - begin[d]! + (s.kernel_shape[d]! - 1) * s.dilations![d]!)
    if ([...begin, ...end].some((p) => p < 0)) return undefined
    let data = blocked(dy, block)
    if (sh * sw > 1)
      data = data
        .reshape([(n * c) / block, h, 1, v, 1, block])
        .pad([0, 0, 0, 0, 0, 0, 0, 0, sh - 1, 0, sw - 1, 0])
        .reshape([n, c, ...spread])
    const options = { dilations: s.dilations!, pads: [...begin, ...end], group: c }
    return [plain(blockedConv(data, blockedWeight(w, block, true), options), w.shape[0]!)]
  },
})

/**
 * dw without moving anything: blocked dy already is a depthwise filter of its own size, and blocked x its input, with every image's channels
 * as channels of one image. The images' results are summed.
 */
export const depthwiseGradWeightBlocked = defineLowering({
  op: 'ConvGradWeight',
  domain: PRIVATE,
  priority: 11,
  when: (ctx) => depthwise(ctx, ctx.x[0], ctx.x[0].shape[1]!) && ctx.x[1].shape[1] === ctx.x[0].shape[1],
  lower({ x: [x, dy], a, target: { block } }) {
    const s = attrsOf(a)
    const [n, channels] = [x.shape[0]!, x.shape[1]!]
    const c = wholeBlocks(channels, block)
    const size = x.shape.slice(2)
    const out = dy.shape.slice(2)
    const begin = [s.pads![0]!, s.pads![1]!]
    const need = s.kernel_shape.map((k, d) => (k - 1) * s.dilations![d]! + (out[d]! - 1) * s.strides![d]! + 1)
    const end = need.map((m, d) => Math.max(0, m - size[d]! - begin[d]!))
    const made = size.map((m, d) => {
      const room = m + begin[d]! + end[d]! - (out[d]! - 1) * s.strides![d]! - 1
      return Math.floor(room / s.dilations![d]!) + 1
    })
    const dw = blockedConv(blocked(x, block).reshape([1, n * c, ...size]), blocked(dy, block).reshape([n * c, 1, ...out]), {
      strides: s.dilations!,
      dilations: s.strides!,
      pads: [...begin, ...end],
      group: n * c,
    })
    const [kh, kw] = s.kernel_shape as [number, number]
    let sum = dw.reshape([n, c / block, ...made, block]).sum([0])
    if (made[0] !== kh || made[1] !== kw) sum = sum.slice([0, 0], [kh, kw], [1, 2])
    const taps = sum
      .reshape([c / block, kh * kw, block])
      .transpose([0, 2, 1])
      .reshape([c, 1, kh, kw])
    return [c === channels ? taps : taps.slice([0], [channels], [0])]
  },
})
