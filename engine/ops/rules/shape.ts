import {
  axisOf,
  DATA_TYPES,
  dataTypeOf,
  isFloat,
  sameShape,
  showShape,
  sizeOf,
  strides,
  TensorData,
  type DataType,
} from '../../ir/index.ts'
import { int, ints } from '../attrs.ts'
import { defineOp, PRIVATE, type FoldContext, type InferContext, type Slots, type TensorType } from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import { axesIn, reshapeTies, tieAxes } from '../support/axes.ts'
import { isInteger, isPlain, madeBy, pick, viewIndex } from '../support/values.ts'

const ints64 = (...values: number[]) => ({ shape: [values.length], dtype: 'int64' as const, values })

/** What the operators that keep the elements in their order have in common. */
const inOrder = {
  fold: ({ x: [x], y: [y] }: Pick<FoldContext<unknown>, 'x' | 'y'>) =>
    x && x.dtype !== 'string' ? [x.reshape(y!.shape)] : undefined,
  cost: () => 0,
  channels: ({ x: [x], y: [y] }: { x: Slots<TensorType>; y: Slots<TensorType> }) => reshapeTies(x.shape, y.shape),
}

/** The gradient in the input's shape. A size of 0 would copy an axis in a reshape, so nothing is left as nothing. */
const back = ({ x: [x], dy: [dy] }: { x: Slots<Tensor>; dy: Slots<Tensor> }): Tensor[] => [
  x.size === 0 ? x.b.zeros(x.shape, x.dtype) : dy.reshape(x.shape),
]

/** Shape asked for by a reshape: 0 copies an axis (unless `allowzero`), -1 takes what is left. */
function resolve(
  from: readonly number[],
  wanted: readonly number[],
  allowzero: boolean,
  fail: (message: string) => never,
): number[] {
  const shape = wanted.map((d, i) =>
    d === 0 && !allowzero ? (from[i] ?? fail(`0 at axis ${i} copies an axis that ${showShape(from)} does not have`)) : d,
  )
  const size = sizeOf(from)
  const open = shape.indexOf(-1)
  if (open >= 0) {
    const rest = shape.reduce((n, d, i) => (i === open ? n : n * d), 1)
    if (rest === 0 ? size !== 0 : size % rest !== 0) fail(`${showShape(from)} cannot be reshaped to ${showShape(wanted)}`)
    shape[open] = rest === 0 ? 0 : size / rest
  }
  if (shape.some((d) => d < 0) || sizeOf(shape) !== size) fail(`${showShape(from)} cannot be reshaped to ${showShape(wanted)}`)
  return shape
}

export const Reshape = defineOp({
  type: 'Reshape',
  since: 14,
  attrs: { allowzero: int(0) },
  infer: ({ x: [x], a, known, fail }) => [{ dtype: x.dtype, shape: resolve(x.shape, known(1, 'shape'), a.allowzero !== 0, fail) }],
  grad: back,
  ...inOrder,
  simplify({ x: [x, shape], y: [y], a }) {
    if (sameShape(x.shape, y!.shape)) return x
    // Only the last of several reshapes counts, unless it copies an axis of the one before.
    const before = madeBy(x, 'Reshape') ?? madeBy(x, 'Flatten') ?? madeBy(x, 'Squeeze') ?? madeBy(x, 'Unsqueeze')
    const copies = shape.value!.numbers().includes(0) && !a.allowzero
    return before && !copies ? before.inputs[0]!.emit('Reshape', [shape], a.allowzero ? { allowzero: 1 } : {}) : undefined
  },
  examples: [
    { x: [[2, 3, 4], ints64(0, -1)] },
    { x: [[2, 6], ints64(3, 2, -1)] },
    { x: [[2, 0, 3], ints64(0, 3, 2)], a: { allowzero: 1 } },
  ],
})

/** Axes before `axis` become the first of two, the others the second. */
export const Flatten = defineOp({
  type: 'Flatten',
  since: 13,
  attrs: { axis: int(1) },
  infer({ x: [x], a, fail }) {
    const rank = x.shape.length
    const axis = axisOf(a.axis, rank)
    if (axis < 0 || axis > rank) fail(`axis ${a.axis} is outside of [${-rank}, ${rank}]`)
    return [{ dtype: x.dtype, shape: [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))] }]
  },
  grad: back,
  ...inOrder,
  simplify: ({ x: [x], y: [y] }) => (sameShape(x.shape, y!.shape) ? x : undefined),
  examples: [{ x: [[2, 3, 4]] }, { x: [[2, 3, 4]], a: { axis: -1 } }, { x: [[4]], a: { axis: 0 } }],
})

export const Squeeze = defineOp({
  type: 'Squeeze',
  since: 13,
  attrs: {},
  infer({ x: [x], opt, known, fail }) {
    const rank = x.shape.length
    const axes = opt(1) ? axesIn(known(1, 'axes'), rank, fail) : x.shape.flatMap((d, i) => (d === 1 ? [i] : []))
    for (const i of axes) if (x.shape[i] !== 1) fail(`axis ${i} of ${showShape(x.shape)} has size ${x.shape[i]}, expected 1`)
    return [{ dtype: x.dtype, shape: x.shape.filter((_, i) => !axes.includes(i)) }]
  },
  grad: back,
  ...inOrder,
  simplify: ({ x: [x], y: [y] }) => (sameShape(x.shape, y!.shape) ? x : undefined),
  examples: [{ x: [[2, 1, 3, 1], ints64(1, -1)] }, { x: [[1, 3, 1]] }],
})

export const Unsqueeze = defineOp({
  type: 'Unsqueeze',
  since: 13,
  attrs: {},
  infer({ x: [x], known, fail }) {
    const axes = known(1, 'axes')
    const rank = x.shape.length + axes.length
    const at = new Set(axesIn(axes, rank, fail))
    const rest = [...x.shape]
    return [{ dtype: x.dtype, shape: Array.from({ length: rank }, (_, i) => (at.has(i) ? 1 : rest.shift()!)) }]
  },
  grad: back,
  ...inOrder,
  simplify: ({ x: [x], y: [y] }) => (sameShape(x.shape, y!.shape) ? x : undefined),
  examples: [{ x: [[2, 3], ints64(1, -1)] }, { x: [[3], ints64(0)] }],
})

const permutation = (perm: readonly number[] | undefined, rank: number): readonly number[] =>
  perm ?? Array.from({ length: rank }, (_, i) => rank - 1 - i)

export const Transpose = defineOp({
  type: 'Transpose',
  since: 13,
  attrs: { perm: ints() },
  infer({ x: [x], a, fail }) {
    const rank = x.shape.length
    const perm = permutation(a.perm, rank)
    if (perm.length !== rank || axesIn(perm, rank, fail).length !== rank)
      fail(`perm ${showShape(perm)} is no permutation of ${rank} axes`)
    return [{ dtype: x.dtype, shape: perm.map((i) => x.shape[i]!) }]
  },
  grad({ dy: [dy], a }) {
    const perm = permutation(a.perm, dy.rank)
    return [dy.transpose(perm.map((_, i) => perm.indexOf(i)))]
  },
  fold({ x: [x], y: [y], a }) {
    if (!x) return undefined
    const own = strides(x.dims)
    const moved = pick(
      x,
      y!.shape,
      viewIndex(
        y!.shape,
        permutation(a.perm, x.dims.length).map((i) => own[i]!),
      ),
    )
    return moved && [moved]
  },
  simplify({ x: [x], a }) {
    const perm = permutation(a.perm, x.rank)
    if (perm.every((p, i) => p === i)) return x
    const before = madeBy(x, 'Transpose')
    if (!before) return undefined
    const first = permutation(before.a.perm as readonly number[] | undefined, x.rank)
    return before.inputs[0]!.transpose(perm.map((i) => first[i]!))
  },
  cost: () => 0,
  channels: ({ x: [x], a }) => {
    const perm = permutation(a.perm, x.shape.length)
    return tieAxes(
      x.shape.length,
      () => true,
      (i) => perm.indexOf(i),
    )
  },
  examples: [{ x: [[2, 3, 4]], a: { perm: [1, 2, 0] } }, { x: [[2, 3]] }],
})

const same = ({ x: [x] }: Pick<InferContext<unknown>, 'x'>): TensorType[] => [{ dtype: x.dtype, shape: x.shape }]

export const Identity = defineOp({
  type: 'Identity',
  since: 13,
  attrs: {},
  infer: same,
  grad: ({ dy: [dy] }) => [dy],
  fold: ({ x: [x] }) => x && [x],
  simplify: ({ x: [x] }) => x,
  cost: () => 0,
  channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
  examples: [{ x: [[2, 3]] }],
})

/** The same value, taken as a constant by differentiation. Lowered to nothing. */
export const StopGradient = defineOp({
  type: 'StopGradient',
  domain: PRIVATE,
  since: 1,
  attrs: {},
  infer: same,
  grad: 'zero',
  fold: ({ x: [x] }) => x && [x],
  expand: ({ x: [x] }) => [x],
  cost: () => 0,
  channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
  examples: [{ x: [[2, 3]] }],
})

/**
 * Element type conversion. Floats pass their gradient on to floats, and to integers that carry one (quantized tensors); a conversion to anything
 * else stops it.
 */
/** Smallest and largest number of an integer type; of 64 bits, those that a number holds exactly. */
function integerRange(dtype: DataType): [low: number, high: number] {
  const bits = DATA_TYPES[dtype].bits
  const unsigned = dtype.startsWith('u')
  if (bits === 64) return [unsigned ? 0 : Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]
  return unsigned ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
}

export const Cast = defineOp({
  type: 'Cast',
  since: 13,
  attrs: { to: int(), saturate: int(1) },
  infer({ x: [x], a, fail }) {
    const dtype = dataTypeOf(a.to ?? 0) ?? fail(`'to' is ${a.to ?? 'missing'}, which is no element type`)
    return [{ dtype, shape: x.shape }]
  },
  grad: ({ x: [x], y: [y], dy: [dy] }) => [
    !isFloat(y.dtype) ? null : isFloat(x.dtype) ? dy.emit('Cast', [], { to: DATA_TYPES[x.dtype].code }) : dy,
  ],
  fold({ x: [x], y: [y] }) {
    const to = y!.dtype
    if (!x || !isPlain(x.dtype) || !isPlain(to)) return undefined
    if (to === x.dtype) return [x]
    if (to === 'bool')
      return [
        TensorData.from(
          'bool',
          x.dims,
          Float64Array.from(x.numbers(), (v) => (v !== 0 ? 1 : 0)),
        ),
      ]
    // Numbers outside of the integer's range are left to the runtime.
    const [low, high] = integerRange(to)
    if (isInteger(to) && x.numbers().some((v) => !(v >= low && v <= high))) return undefined
    return [x.as(to)]
  },
  simplify({ x: [x], y: [y], b }) {
    if (x.dtype === y!.dtype) return x
    const source = madeBy(x, 'Expand')?.inputs[0]
    return source && b.emit('Cast', [source], { to: DATA_TYPES[y!.dtype].code })[0]!.expand(y!.shape)
  },
  cost: () => 0,
  channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
  examples: [
    { x: [[2, 3]], a: { to: DATA_TYPES.float32.code } },
    { x: [[4]], a: { to: DATA_TYPES.int64.code } },
    { x: [[4]], a: { to: DATA_TYPES.bool.code } },
  ],
})

/** Conversion to the element type of the second input. */
export const CastLike = defineOp({
  type: 'CastLike',
  since: 15,
  attrs: { saturate: int(1) },
  infer: ({ x: [x, like] }) => [{ dtype: like.dtype, shape: x.shape }],
  grad: ({ x: [x], dy: [dy] }) => [
    isFloat(x.dtype) && isFloat(dy.dtype) ? dy.emit('Cast', [], { to: DATA_TYPES[x.dtype].code }) : null,
  ],
  simplify: ({ x: [x], y: [y] }) => x.emit('Cast', [], { to: DATA_TYPES[y!.dtype].code }),
  cost: () => 0,
  channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
  examples: [{ x: [[2, 3], { shape: [1], dtype: 'float32' }] }, { x: [[3], { shape: [2], dtype: 'int64' }] }],
})
