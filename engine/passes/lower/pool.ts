import { PRIVATE, type Tensor } from '../../ops/index.ts'
import { geometry, type SpatialAttrs } from '../../ops/support/spatial.ts'
import { windowCounts } from '../../ops/rules/pool.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'

const attrsOf = (a: LoweringContext['a']) => a as unknown as SpatialAttrs & { ceil_mode: number; count_include_pad?: number }

/** Flat positions of the largest elements, from the pooling kernel's second output. */
const positions = (x: Tensor, a: LoweringContext['a']): Tensor => x.b.emit('MaxPool', [x], a, { outputs: 2 })[1]!

const disjoint = (a: SpatialAttrs): boolean =>
  a.kernel_shape!.every((k, i) => k <= (a.strides?.[i] ?? 1)) && (a.dilations ?? []).every((d) => d === 1)

/** Windows that do not overlap: each position is written once. */
export const maxPoolGradDisjoint = defineLowering({
  op: 'MaxPoolGrad',
  domain: PRIVATE,
  priority: 1,
  when: ({ x, a }) => x[0].dtype === 'float32' && disjoint(attrsOf(a)) && x[0].rank === 4,
  lower: ({ b, x: [x, dy], a }) => {
    const at = positions(x, a).reshape([dy.size])
    const zeros = b.zeros([x.size], x.dtype)
    return [zeros.emit('ScatterElements', [at, dy.reshape([dy.size])], { axis: 0 }).reshape(x.shape)]
  },
})

/** Overlapping windows: a position may win several times, so contributions are added. */
export const maxPoolGradScatter = defineLowering({
  op: 'MaxPoolGrad',
  domain: PRIVATE,
  lower: ({ b, x: [x, dy], a }) => {
    const at = positions(x, a).reshape([dy.size])
    return [
      b
        .zeros([x.size], x.dtype)
        .emit('ScatterElements', [at, dy.reshape([dy.size])], { axis: 0, reduction: 'add' })
        .reshape(x.shape),
    ]
  },
})

export const maxPoolSelectGather = defineLowering({
  op: 'MaxPoolSelect',
  domain: PRIVATE,
  lower: ({ x: [x, v], a }) => {
    const at = positions(x, a)
    return [
      v
        .reshape([v.size])
        .gatherElements(at.reshape([at.size]), 0)
        .reshape(at.shape),
    ]
  },
})

/** Average pooling as a convolution with ones, where ONNX Runtime has no kernel (double). */
export const averagePoolAsConv = defineLowering({
  op: 'AveragePool',
  when: ({ x }) => x[0].dtype === 'float64',
  lower({ b, x: [x], a }) {
    const s = attrsOf(a)
    const size = x.shape.slice(2)
    const g = geometry(size, s.kernel_shape!, s, s.ceil_mode !== 0)
    const end = g.out.map((o, i) => (o - 1) * g.strides[i]! + (g.kernel[i]! - 1) * g.dilations[i]! + 1 - size[i]! - g.begin[i]!)
    const flat = x.reshape([x.shape[0]! * x.shape[1]!, 1, ...size]).pad([0, 0, ...g.begin, 0, 0, ...end])
    const sum = flat.conv(b.full([1, 1, ...g.kernel], 1, x.dtype), undefined, { strides: g.strides, dilations: g.dilations })
    const counts = b.array(x.dtype, [1, 1, ...g.out], Array.from(windowCounts(size, g, s.count_include_pad === 1)))
    return [sum.div(counts).reshape([...x.shape.slice(0, 2), ...g.out])]
  },
})

/** Global average pooling as a mean (double). */
export const globalAveragePoolAsMean = defineLowering({
  op: 'GlobalAveragePool',
  when: ({ x }) => x[0].dtype === 'float64',
  lower: ({ x: [x] }) => [
    x.mean(
      x.shape.slice(2).map((_, i) => i + 2),
      true,
    ),
  ],
})
