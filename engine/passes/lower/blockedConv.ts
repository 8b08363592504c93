import { PRIVATE, concat, type Tensor } from '../../ops/index.ts'
import { geometry, type SpatialAttrs } from '../../ops/support/spatial.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { blocked, blockedConv, canBlock, grown, plain, source, wholeBlocks } from '../support/nchwc.ts'

type ConvAttrs = SpatialAttrs & { group: number; input_shape?: readonly number[]; kernel_shape: readonly number[] }
const attrsOf = (a: LoweringContext['a']) => a as unknown as ConvAttrs

/** A dense convolution that has channels for a block's worth of work at least: with fewer, most of a block is filling. */
const dense = (ctx: LoweringContext, ...channels: readonly number[]): boolean =>
  canBlock(ctx, ctx.x[0]) && attrsOf(ctx.a).group === 1 && channels.every((c) => 2 * c >= ctx.target.block)

/** [O, I, h, w] stored as [O/B][I/B][taps][i][o]; or as [O/B][I][taps][o] for an image of few channels in the plain layout. */
function blockedWeight(w: Tensor, block: number, image: boolean): Tensor {
  const [o, i] = [wholeBlocks(w.shape[0]!, block), image ? w.shape[1]! : wholeBlocks(w.shape[1]!, block)]
  const k = w.shape[2]! * w.shape[3]!
  const whole = grown(w, { 0: o, 1: i })
  if (image)
    return whole
      .reshape([o / block, block, i, k])
      .transpose([0, 2, 3, 1])
      .reshape(whole.shape)
  return whole
    .reshape([o / block, block, i / block, block, k])
    .transpose([0, 2, 4, 3, 1])
    .reshape(whole.shape)
}

/** The same for the weight with its channels swapped, [I, O, taps]: what carries gradients back. `order` picks and orders the taps. */
function swappedWeight(w: Tensor, block: number, order: readonly number[], kernel: readonly [number, number]): Tensor {
  const [h, v] = w.shape.slice(2) as [number, number]
  const [o, i] = [wholeBlocks(w.shape[0]!, block), wholeBlocks(w.shape[1]!, block)]
  const flat = grown(w, { 0: o, 1: i }).reshape([o, i, h * v])
  const identity = order.length === h * v && order.every((n, at) => n === at)
  const taps = identity ? flat : flat.gather(w.b.ints(order), 2)
  return taps
    .reshape([o / block, block, i / block, block, order.length])
    .transpose([2, 0, 4, 1, 3])
    .reshape([i, o, ...kernel])
}

export const convBlocked = defineLowering({
  op: 'Conv',
  priority: 10,
  // With constant weights ONNX Runtime does it itself, and fuses more.
  when: (ctx) => !ctx.x[1].value && dense(ctx, ctx.x[1].shape[0]!),
  lower({ x: [x, w], a, opt, target: { block } }) {
    const g = geometry(x.shape.slice(2), w.shape.slice(2), attrsOf(a))
    const image = w.shape[1]! < block && !source(x)
    const { strides, dilations } = g
    const o = wholeBlocks(w.shape[0]!, block)
    const bias = opt(2) && grown(opt(2)!, { 0: o })
    const options = { strides, dilations, pads: [...g.begin, ...g.end], bias }
    return [plain(blockedConv(image ? x : blocked(x, block), blockedWeight(w, block, image), options), w.shape[0]!)]
  },
})

/** dx at stride 1: a convolution of dy with the weight flipped and its channels swapped. */
export const convGradInputBlocked = defineLowering({
  op: 'ConvGradInput',
  domain: PRIVATE,
  priority: 10,
  when(ctx) {
    const [o, i] = ctx.x[1].shape as [number, number]
    const s = attrsOf(ctx.a)
    const fits = s.kernel_shape.every((k, n) => s.pads![n]! <= (k - 1) * s.dilations![n]!)
    return dense(ctx, o, i) && s.strides!.every((n) => n === 1) && fits
  },
  lower({ x: [dy, w], a, target: { block } }) {
    const s = attrsOf(a)
    const [h, v] = s.kernel_shape as [number, number]
    const begin = s.kernel_shape.map((n, d) => (n - 1) * s.dilations![d]! - s.pads![d]!)
    const end = s.input_shape!.map((size, d) => size - dy.shape[d + 2]! - begin[d]! + (s.kernel_shape[d]! - 1) * s.dilations![d]!)
    if (end.some((e) => e < 0)) return undefined
    const flipped = Array.from({ length: h * v }, (_, n) => h * v - 1 - n)
    const filter = swappedWeight(w, block, flipped, [h, v])
    return [plain(blockedConv(blocked(dy, block), filter, { dilations: s.dilations!, pads: [...begin, ...end] }), w.shape[1]!)]
  },
})

/** What the positions r, r + s, r + 2s, … of one axis receive: their taps (last first), and the padding of dy in front and behind. */
function phase(r: number, stride: number, kernel: number, pad: number, outputs: number, positions: number) {
  const first = (r + pad) % stride
  const taps: number[] = []
  for (let k = first; k < kernel; k += stride) taps.unshift(k)
  const begin = taps.length - 1 - (r + pad - first) / stride
  return { taps, begin, end: positions - outputs - begin + taps.length - 1 }
}

/**
 * dx at a stride: one convolution for each phase of the positions with the taps that reach it, interleaved afterwards. Inserting zeros
 * into dy instead would multiply the work by the square of the stride.
 */
export const convGradInputStridedBlocked = defineLowering({
  op: 'ConvGradInput',
  domain: PRIVATE,
  priority: 9,
  when(ctx) {
    const [o, i] = ctx.x[1].shape as [number, number]
    const s = attrsOf(ctx.a)
    const whole = s.input_shape!.every((size, d) => size % s.strides![d]! === 0)
    return dense(ctx, o, i) && whole && s.dilations!.every((d) => d === 1)
  },
  lower({ b, x: [dy, w], a, target: { block } }) {
    const s = attrsOf(a)
    const [n, i] = [dy.shape[0]!, wholeBlocks(w.shape[1]!, block)]
    const [sh, sw] = s.strides as [number, number]
    const [ph, pw] = [s.input_shape![0]! / sh, s.input_shape![1]! / sw]
    const phases = [0, 1].map((d) =>
      Array.from({ length: s.strides![d]! }, (_, r) =>
        phase(r, s.strides![d]!, s.kernel_shape[d]!, s.pads![d]!, dy.shape[d + 2]!, [ph, pw][d]!),
      ),
    ) as [ReturnType<typeof phase>[], ReturnType<typeof phase>[]]
    const reached = (p: ReturnType<typeof phase>) => p.taps.length > 0
    if (phases.flat().some((p) => reached(p) && (p.begin < 0 || p.end < 0))) return undefined
    const data = blocked(dy, block)
    const piece = (p: ReturnType<typeof phase>, q: ReturnType<typeof phase>): Tensor => {
      if (!reached(p) || !reached(q)) return b.zeros([n, i / block, ph, pw, 1, block])
      const order = p.taps.flatMap((k) => q.taps.map((l) => k * s.kernel_shape[1]! + l))
      const filter = swappedWeight(w, block, order, [p.taps.length, q.taps.length])
      return blockedConv(data, filter, { pads: [p.begin, q.begin, p.end, q.end] }).reshape([n, i / block, ph, pw, 1, block])
    }
    const rows = phases[0].map((p) => {
      if (!reached(p)) return b.zeros([n, i / block, ph, 1, sw * pw * block])
      return concat(
        phases[1].map((q) => piece(p, q)),
        4,
      ).reshape([n, i / block, ph, 1, sw * pw * block])
    })
    return [plain(concat(rows, 3).reshape([n, i, ph * sh, pw * sw]), w.shape[1]!)]
  },
})

/**
 * dw with batch and channels swapped: the input's channels become the batch, the batch becomes the channels, dy is the filter. Padding is
 * explicit because padded blocked kernels run at half the speed, and done by a depthwise kernel because Pad runs on one thread.
 */
export const convGradWeightBlocked = defineLowering({
  op: 'ConvGradWeight',
  domain: PRIVATE,
  priority: 10,
  when(ctx) {
    const taps = attrsOf(ctx.a).kernel_shape.reduce((n, k) => n * k, 1)
    return taps > 1 && dense(ctx, ctx.x[0].shape[0]!, ctx.x[1].shape[1]!)
  },
  lower({ x: [x, dy], a, target: { block } }) {
    const s = attrsOf(a)
    const [, o, h, v] = dy.shape as [number, number, number, number]
    const n = wholeBlocks(x.shape[0]!, block)
    const need = s.kernel_shape.map((k, d) => (k - 1) * s.dilations![d]! + ([h, v][d]! - 1) * s.strides![d]! + 1)
    const begin = [s.pads![0]!, s.pads![1]!]
    const end = need.map((size, d) => size - x.shape[d + 2]! - begin[d]!)
    const swapped = grown(x.transpose([1, 0, 2, 3]), { 1: n })
    // Rows that no window reads are cut off, which a kernel's pads cannot say.
    const cut = end.some((e) => e < 0)
    const reordered = blocked(cut ? swapped.pad([0, 0, ...begin, 0, 0, ...end]) : swapped, block)
    const pads = [...begin, ...end]
    const data = cut || pads.every((p) => p === 0) ? reordered : padded(reordered, pads)
    const whole = wholeBlocks(o, block)
    const filter = grown(blocked(dy, block), { 0: n })
      .reshape([n / block, block, whole / block, h * v, block])
      .transpose([2, 0, 3, 1, 4])
      .reshape([whole, n, h, v])
    const dw = blockedConv(data, filter, { strides: s.dilations!, dilations: s.strides! })
    return [plain(dw, o).transpose([1, 0, 2, 3])]
  },
})

function padded(x: Tensor, pads: readonly number[]): Tensor {
  const channels = x.shape[1]!
  const ones = x.b.array('float32', [channels, 1, 1, 1], new Float32Array(channels).fill(1))
  return blockedConv(x, ones, { group: channels, pads })
}
