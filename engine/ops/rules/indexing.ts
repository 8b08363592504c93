import { sameShape, showShape, sizeOf, strides } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp, type Tie } from '../rule.ts'
import { concat, type Tensor } from '../tensor.ts'
import { axisIn, fault, tieAxes } from '../support/axes.ts'
import { scatterAlong } from '../support/scatter.ts'
import { pick, viewIndex } from '../support/values.ts'

const indices = (shape: readonly number[], values: readonly number[]) => ({ shape, dtype: 'int64' as const, values })

/** Slices along an axis, by index; negative indices count from the end. */
export const Gather = defineOp({
  type: 'Gather',
  since: 13,
  attrs: { axis: int(0) },
  infer({ x: [x, index], a, value, fail }) {
    const axis = axisIn(a.axis, x.shape.length, fail)
    const d = x.shape[axis]!
    const bad = value(1)?.find((i) => i < -d || i >= d)
    if (bad !== undefined) fail(`index ${bad} is outside of [${-d}, ${d - 1}] along axis ${axis}`)
    return [{ dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)] }]
  },
  grad({ x: [x, index], dy: [dy], a }) {
    const axis = axisIn(a.axis, x.rank, fault)
    const d = x.shape[axis]!
    const row = dy.reshape([...x.shape.slice(0, axis), index.size, ...x.shape.slice(axis + 1)])
    const only = index.size === 1 ? index.scalarValue : undefined
    if (only === undefined) return [scatterAlong(row, index.reshape([index.size]), axis, d)]
    // One known slice: zeros before and after it.
    const at = only < 0 ? only + d : only
    const pads = new Array<number>(2 * x.rank).fill(0)
    pads[axis] = at
    pads[x.rank + axis] = d - 1 - at
    return [row.pad(pads)]
  },
  fold({ x: [x, index], y: [y], a }) {
    if (!x || !index) return undefined
    const axis = axisIn(a.axis, x.dims.length, fault)
    const d = x.dims[axis]!
    const inner = sizeOf(x.dims.slice(axis + 1))
    const at = index.numbers()
    const flat = viewIndex([sizeOf(x.dims.slice(0, axis)), at.length, inner], [d * inner, 0, 1])
    for (let i = 0; i < flat.length; i++) {
      const k = at[Math.floor(i / inner) % at.length]!
      flat[i]! += (k < 0 ? k + d : k) * inner
    }
    const part = pick(x, y!.shape, flat)
    return part && [part]
  },
  cost: () => 0,
  channels: ({ x: [x, index], a }) => {
    const axis = axisIn(a.axis, x.shape.length, fault)
    return tieAxes(
      x.shape.length,
      (i) => i !== axis,
      (i) => (i < axis ? i : i + index.shape.length - 1),
    )
  },
  examples: [
    { x: [[4, 3], indices([2, 2], [0, 3, -1, 0])] },
    { x: [[2, 5, 3], indices([3], [1, 1, -2])], a: { axis: 1 } },
    { x: [[2, 5], indices([], [-2])], a: { axis: -1 } },
    { x: [[2, 5], indices([1], [3])], a: { axis: 1 } },
    { x: [[4, 3], { shape: [3], dtype: 'int32', values: [2, 0, 2] }] },
  ],
})

export const GatherElements = defineOp({
  type: 'GatherElements',
  since: 13,
  attrs: { axis: int(0) },
  infer({ x: [x, index], a, fail }) {
    const axis = axisIn(a.axis, x.shape.length, fail)
    if (index.shape.length !== x.shape.length || index.shape.some((d, i) => i !== axis && d > x.shape[i]!))
      fail(`indices ${showShape(index.shape)} do not fit ${showShape(x.shape)}`)
    return [{ dtype: x.dtype, shape: index.shape }]
  },
  grad: ({ x: [x, index], dy: [dy], a }) => [
    dy.b.zeros(x.shape, x.dtype).emit('ScatterElements', [index, dy], { axis: a.axis, reduction: 'add' }),
  ],
  cost: () => 0,
  channels: () => [],
  examples: [
    { x: [[3, 3], indices([2, 3], [0, 2, 1, 2, 2, -1])] },
    { x: [[2, 4], indices([2, 2], [3, 3, 0, -1])], a: { axis: 1 } },
  ],
})

/** Slices by index tuples: the last axis of the indices walks the axes of the data behind the batch axes. */
export const GatherND = defineOp({
  type: 'GatherND',
  since: 13,
  attrs: { batch_dims: int(0) },
  infer({ x: [x, index], a: { batch_dims: batch }, fail }) {
    const depth = index.shape.at(-1) ?? fail('indices are a scalar, expected at least one axis')
    if (batch + depth > x.shape.length || !sameShape(x.shape.slice(0, batch), index.shape.slice(0, batch)))
      fail(`indices ${showShape(index.shape)} do not fit ${showShape(x.shape)} with ${batch} batch axes`)
    return [{ dtype: x.dtype, shape: [...index.shape.slice(0, -1), ...x.shape.slice(batch + depth)] }]
  },
  grad({ x: [x, index], dy: [dy], a: { batch_dims: batch } }) {
    const zeros = x.b.zeros(x.shape, x.dtype)
    return [zeros.emit('ScatterND', [batch ? concat([batchPositions(index, batch), index], -1) : index, dy], { reduction: 'add' })]
  },
  cost: () => 0,
  channels: () => [],
  examples: [
    { x: [[3, 4], indices([3, 2], [0, 1, 2, 3, -1, 1])] },
    { x: [[3, 2, 2], indices([2, 2, 1], [0, 2, 2, 2])] },
    { x: [[2, 3, 2], indices([2, 1], [1, -1])], a: { batch_dims: 1 } },
  ],
})

/** Batch coordinates of every index tuple, int64 [..., batch]. */
function batchPositions(index: Tensor, batch: number): Tensor {
  const lead = index.shape.slice(0, -1)
  const own = strides(lead)
  const flat = Array.from({ length: sizeOf(lead) }, (_, i) =>
    lead.slice(0, batch).map((d, k) => Math.floor(i / own[k]!) % d),
  ).flat()
  return index.b.array('int64', [...lead, batch], flat)
}

/** The k largest or smallest along an axis, and where they are. */
export const TopK = defineOp({
  type: 'TopK',
  since: 11,
  attrs: { axis: int(-1), largest: int(1), sorted: int(1) },
  infer({ x: [x], a, known, outputs, fail }) {
    const axis = axisIn(a.axis, x.shape.length, fail)
    const k = known(1, 'k')[0] ?? fail('k is empty')
    if (k > x.shape[axis]!) fail(`k is ${k}, axis ${axis} has ${x.shape[axis]} elements`)
    const shape = x.shape.map((d, i) => (i === axis ? k : d))
    return [
      { dtype: x.dtype, shape },
      { dtype: 'int64' as const, shape },
    ].slice(0, outputs)
  },
  grad({ b, x: [x, k], dy: [dy], a }) {
    const index = b.emit('TopK', [x, k], { ...a }, { outputs: 2 })[1]!
    return [b.zeros(x.shape, x.dtype).emit('ScatterElements', [index, dy], { axis: a.axis })]
  },
  cost: ({ x: [x], y: [y], a }) => sizeOf(x.shape) * Math.ceil(Math.log2(1 + y.shape.at(a.axis)!)),
  channels: ({ x: [x], a }) => {
    const axis = axisIn(a.axis, x.shape.length, fault)
    return x.shape.flatMap((_, i): Tie[] => (i === axis ? [] : [{ a: ['x0', i], b: ['y0', i] }]))
  },
  examples: [
    {
      x: [
        { shape: [2, 5], distinct: true },
        { shape: [1], dtype: 'int64', values: [3] },
      ],
      outputs: 2,
    },
    {
      x: [
        { shape: [4, 2], distinct: true },
        { shape: [1], dtype: 'int64', values: [2] },
      ],
      a: { axis: 0, largest: 0 },
      outputs: 2,
    },
  ],
})

/** Upper or lower triangle of the last two axes, from diagonal k. */
export const Trilu = defineOp({
  type: 'Trilu',
  since: 14,
  attrs: { upper: int(1) },
  infer({ x: [x], fail }) {
    if (x.shape.length < 2) fail(`expected a matrix, found ${showShape(x.shape)}`)
    return [{ dtype: x.dtype, shape: x.shape }]
  },
  grad: ({ x: [, k], dy: [dy], a }) => [dy.emit('Trilu', [k], { upper: a.upper })],
  cost: () => 0,
  channels: ({ x: [x] }) => tieAxes(x.shape.length, (i) => i < x.shape.length - 2),
  examples: [{ x: [[3, 4]] }, { x: [[2, 3, 3], indices([], [-1])], a: { upper: 0 } }],
})
