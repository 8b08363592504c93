import { PRIVATE, type Tensor } from '../../ops/index.ts'
import { nchwcDomain } from '../../ops/rules/nchwc.ts'
import { geometry, type SpatialAttrs } from '../../ops/support/spatial.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'

/**
 * Convolutions on ONNX Runtime's blocked kernels, each between a reorder in and a reorder out. ONNX Runtime blocks by itself only what has
 * constant weights, which a training step has not. A block size other than the machine's is silently wrong, hence the probe in `target`.
 */
const attrsOf = (a: LoweringContext['a']) =>
  a as unknown as SpatialAttrs & { group: number; input_shape?: readonly number[]; kernel_shape: readonly number[] }

const usable = ({ target, x, a }: LoweringContext): boolean =>
  target.provider === 'cpu' && target.block > 1 && x[0].dtype === 'float32' && x[0].rank === 4 && attrsOf(a).group === 1

const blocked = (x: Tensor): Tensor => x.emit('ReorderInput', [], {}, { domain: nchwcDomain })
const plain = (x: Tensor, channels: number): Tensor => x.emit('ReorderOutput', [], { channels }, { domain: nchwcDomain })

/** [O, I, h, w] stored as [O/B][I/B][taps][i][o]; or as [O/B][I][taps][o] where there are fewer input channels than a block. */
function blockedWeight(w: Tensor, block: number): Tensor {
  const [o, i] = [w.shape[0]!, w.shape[1]!]
  const k = w.shape[2]! * w.shape[3]!
  if (i < block)
    return w
      .reshape([o / block, block, i, k])
      .transpose([0, 2, 3, 1])
      .reshape(w.shape)
  return w
    .reshape([o / block, block, i / block, block, k])
    .transpose([0, 2, 4, 3, 1])
    .reshape(w.shape)
}

export const convBlocked = defineLowering({
  op: 'Conv',
  priority: 10,
  when(ctx) {
    const { x, target } = ctx
    if (!usable(ctx) || x[1].value) return false
    const [o, i] = x[1].shape as [number, number]
    return o % target.block === 0 && (i % target.block === 0 || i < target.block)
  },
  lower({ x: [x, w], a, opt, target }) {
    const g = geometry(x.shape.slice(2), w.shape.slice(2), attrsOf(a))
    const data = w.shape[1]! < target.block ? x : blocked(x)
    const bias = opt(2)
    const y = data.emit(
      'Conv',
      [blockedWeight(w, target.block), ...(bias ? [bias] : [])],
      { kernel_shape: g.kernel, strides: g.strides, dilations: g.dilations, pads: [...g.begin, ...g.end], group: 1 },
      { domain: nchwcDomain },
    )
    return [plain(y, w.shape[0]!)]
  },
})

/** dx at stride 1: a convolution of dy with the weight flipped and its channels swapped. */
export const convGradInputBlocked = defineLowering({
  op: 'ConvGradInput',
  domain: PRIVATE,
  priority: 10,
  when(ctx) {
    const { x, a, target } = ctx
    const [o, i] = x[1].shape as [number, number]
    const s = attrsOf(a)
    const fits = s.kernel_shape.every((k, n) => s.pads![n]! <= (k - 1) * s.dilations![n]!)
    return usable(ctx) && s.strides!.every((n) => n === 1) && o % target.block === 0 && i % target.block === 0 && fits
  },
  lower({ b, x: [dy, w], a, target: { block } }) {
    const s = attrsOf(a)
    const [o, i, h, v] = w.shape as [number, number, number, number]
    const k = h * v
    const flipped =
      k === 1 ? w.reshape([o, i, 1]) : w.reshape([o, i, k]).gather(b.ints(Array.from({ length: k }, (_, n) => k - 1 - n)), 2)
    const filter = flipped
      .reshape([o / block, block, i / block, block, k])
      .transpose([2, 0, 4, 1, 3])
      .reshape([i, o, h, v])
    const begin = s.kernel_shape.map((n, d) => (n - 1) * s.dilations![d]! - s.pads![d]!)
    const end = s.input_shape!.map((size, d) => size - dy.shape[d + 2]! - begin[d]! + (s.kernel_shape[d]! - 1) * s.dilations![d]!)
    if (end.some((e) => e < 0)) return undefined
    const dx = blocked(dy).emit(
      'Conv',
      [filter],
      { kernel_shape: [h, v], strides: [1, 1], dilations: s.dilations, pads: [...begin, ...end], group: 1 },
      { domain: nchwcDomain },
    )
    return [plain(dx, i)]
  },
})

/**
 * dw with batch and channels swapped: the input's channels become the batch, the batch becomes the channels, dy is the filter. Padding is
 * explicit because padded blocked kernels run at half the speed.
 */
export const convGradWeightBlocked = defineLowering({
  op: 'ConvGradWeight',
  domain: PRIVATE,
  priority: 10,
  when(ctx) {
    const { x, a, target } = ctx
    const taps = attrsOf(a).kernel_shape.reduce((n, k) => n * k, 1)
    return usable(ctx) && taps > 1 && x[0].shape[0]! % target.block === 0 && x[1].shape[1]! % target.block === 0
  },
  lower({ x: [x, dy], a, target: { block } }) {
    const s = attrsOf(a)
    const [n, o, h, v] = dy.shape as [number, number, number, number]
    const kernel = s.kernel_shape
    const need = kernel.map((k, d) => (k - 1) * s.dilations![d]! + ([h, v][d]! - 1) * s.strides![d]! + 1)
    const end = need.map((size, d) => size - x.shape[d + 2]! - s.pads![d]!)
    const swapped = x.transpose([1, 0, 2, 3])
    const begin = [s.pads![0]!, s.pads![1]!]
    const data = [...begin, ...end].every((p) => p === 0) ? swapped : swapped.pad([0, 0, ...begin, 0, 0, ...end])
    const filter = dy
      .reshape([n / block, block, o / block, block, h * v])
      .transpose([2, 0, 4, 1, 3])
      .reshape([o, n, h, v])
    const dw = blocked(data).emit(
      'Conv',
      [filter],
      { kernel_shape: [h, v], strides: s.dilations, dilations: s.strides, pads: [0, 0, 0, 0], group: 1 },
      { domain: nchwcDomain },
    )
    return [plain(dw, o).transpose([1, 0, 2, 3])]
  },
})
