import { PRIVATE, concat, type Tensor } from '../../ops/index.ts'
import { geometry, taps, type Geometry, type SpatialAttrs } from '../../ops/support/spatial.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { place, seenByTaps } from '../support/taps.ts'

const attrsOf = (a: LoweringContext['a']) => a as unknown as SpatialAttrs & { group: number; input_shape?: readonly number[] }
const isDouble = ({ x }: LoweringContext): boolean => x[0].dtype === 'float64'
const spatial = (t: Tensor): readonly number[] => t.shape.slice(2)
const prod = (list: readonly number[]) => list.reduce((n, d) => n * d, 1)

/** im2col without a transpose: [N, group, taps * C/group, P] with the taps outermost, P output positions. */
function columns(x: Tensor, g: Geometry, group: number): Tensor {
  const [n, c] = [x.shape[0]!, x.shape[1]!]
  const k = prod(g.kernel)
  const parts = seenByTaps(x, g).map((t) => t.reshape([n, group, 1, c / group, prod(g.out)]))
  return concat(parts, 2).reshape([n, group, (k * c) / group, prod(g.out)])
}

/** Weight [O, C/g, taps] as [1, group, O/g, taps * C/g], taps outermost like `columns`. */
function rows(w: Tensor, group: number): Tensor {
  const [o, c] = [w.shape[0]!, w.shape[1]!]
  const k = prod(w.shape.slice(2))
  return w
    .reshape([o, c, k])
    .transpose([0, 2, 1])
    .reshape([1, group, o / group, k * c])
}

/** Convolution as a matrix product, where ONNX Runtime has no kernel (double). */
export const convAsMatMul = defineLowering({
  op: 'Conv',
  when: isDouble,
  lower({ x: [x, w], a, opt }) {
    const { group } = attrsOf(a)
    const g = geometry(spatial(x), spatial(w), attrsOf(a))
    const y = rows(w, group)
      .matmul(columns(x, g, group))
      .reshape([x.shape[0]!, w.shape[0]!, ...g.out])
    const bias = opt(2)
    return [bias ? y.add(bias.reshape([1, bias.size, ...g.out.map(() => 1)])) : y]
  },
})

/** Weight gradient as a batched matrix product of dy with im2col of x. Runs anywhere; the blocked form is faster where it exists. */
export const convGradWeightAsMatMul = defineLowering({
  op: 'ConvGradWeight',
  domain: PRIVATE,
  lower({ x: [x, dy], a }) {
    const { group } = attrsOf(a)
    const g = { ...geometry(spatial(x), [], attrsOf(a)), out: spatial(dy) }
    const [n, o, c] = [x.shape[0]!, dy.shape[1]!, x.shape[1]!]
    const k = prod(g.kernel)
    const d = dy.reshape([n, group, o / group, prod(g.out)])
    const dw = d.matmul(columns(x, g, group).T).sum([0])
    return [
      dw
        .reshape([o, k, c / group])
        .transpose([0, 2, 1])
        .reshape([o, c / group, ...g.kernel]),
    ]
  },
})

/** Input gradient as a transposed convolution. */
export const convGradInputAsConvTranspose = defineLowering({
  op: 'ConvGradInput',
  domain: PRIVATE,
  when: (ctx) => !isDouble(ctx) && fitsTransposed(ctx),
  lower(ctx) {
    const { x, a } = ctx
    const { group, kernel_shape, strides, dilations, pads } = attrsOf(a)
    return [x[0].emit('ConvTranspose', [x[1]], { group, kernel_shape, strides, dilations, pads, output_padding: leftover(ctx) })]
  },
})

/** Columns at the end of the input that no window reaches. */
function leftover({ x: [dy], a }: LoweringContext): number[] {
  const s = attrsOf(a)
  const n = s.input_shape!.length
  return s.input_shape!.map((size, i) => {
    const reached =
      (spatial(dy)[i]! - 1) * s.strides![i]! + (s.kernel_shape![i]! - 1) * s.dilations![i]! + 1 - s.pads![i]! - s.pads![i + n]!
    return size - reached
  })
}

/** ConvTranspose wants an output padding of at least 0 and below the stride (or dilation). */
const fitsTransposed = (ctx: LoweringContext): boolean => {
  const s = attrsOf(ctx.a)
  return leftover(ctx).every((p, i) => p >= 0 && p < Math.max(s.strides![i]!, s.dilations![i]!))
}

/** Input gradient tap by tap (col2im by zero insertion, padding and adding): any geometry, any element type. */
export const convGradInputByTaps = defineLowering({
  op: 'ConvGradInput',
  domain: PRIVATE,
  priority: -1,
  lower({ x: [dy, w], a }) {
    const s = attrsOf(a)
    const g = { ...geometry(s.input_shape!, spatial(w), s), out: spatial(dy) }
    const [n, o, c] = [dy.shape[0]!, dy.shape[1]!, w.shape[1]!]
    const k = prod(g.kernel)
    const cols = rows(w, s.group).T.matmul(dy.reshape([n, s.group, o / s.group, prod(g.out)]))
    const list = taps(g.kernel)
    const parts = cols.reshape([n, s.group, k, c, prod(g.out)]).split(Array<number>(k).fill(1), 2)
    const placed = parts.map((part, i) => place(part.reshape([n, s.group * c, ...g.out]), list[i]!, g, s.input_shape!))
    return [placed.reduce((sum, t) => sum.add(t))]
  },
})
