import { PRIVATE, type Tensor } from '../../ops/index.ts'
import type { SpatialAttrs } from '../../ops/support/spatial.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'

const attrsOf = (a: LoweringContext['a']) => a as unknown as SpatialAttrs

/** Flat row-major positions of the largest elements, from the pooling kernel's second output. */
const positions = (x: Tensor, a: LoweringContext['a']): Tensor =>
  x.b.emit('MaxPool', [x], { ...a, storage_order: 0 }, { outputs: 2 })[1]!

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
