import { showShape, sizeOf, TensorData } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { axisIn, fault } from '../support/axes.ts'
import { isPlain } from '../support/values.ts'

const flags = (...values: number[]) => ({ shape: [values.length], dtype: 'bool' as const, values })

/** Coordinates [rank, n] of the elements that are not 0. */
export const NonZero = defineOp({
  type: 'NonZero',
  since: 9,
  attrs: {},
  dataDependent: 'how many elements are not 0 depends on the data',
  infer({ x: [x], known }) {
    const count = known(0, 'data').filter((v) => v !== 0).length
    return [{ dtype: 'int64', shape: [x.shape.length, count] }]
  },
  grad: 'zero',
  fold({ x: [x], y: [y] }) {
    if (!x || !isPlain(x.dtype)) return undefined
    const at = [...x.numbers().entries()].flatMap(([i, v]) => (v === 0 ? [] : [i]))
    const coordinates = x.dims.map((d, k) => {
      const step = sizeOf(x.dims.slice(k + 1))
      return at.map((i) => Math.floor(i / step) % d)
    })
    return [TensorData.from('int64', y!.shape, coordinates.flat())]
  },
  cost: () => 0,
  channels: () => [],
  examples: [{ x: [{ shape: [2, 3], dtype: 'float32', values: [1, 0, -2, 0, 0, 3] }] }, { x: [flags(0, 1, 1)] }],
})

/** Slices along an axis (or, without one, elements) where the condition holds. */
export const Compress = defineOp({
  type: 'Compress',
  since: 11,
  attrs: { axis: int() },
  dataDependent: 'how many elements it keeps depends on the data',
  infer({ x: [x], a, known, fail }) {
    const count = known(1, 'condition').filter((v) => v !== 0).length
    if (a.axis === undefined) return [{ dtype: x.dtype, shape: [count] }]
    const axis = axisIn(a.axis, x.shape.length, fail)
    return [{ dtype: x.dtype, shape: x.shape.map((d, i) => (i === axis ? count : d)) }]
  },
  grad: 'expand',
  expand({ b, x: [x, condition], a }) {
    const kept = [...condition.value!.numbers().entries()].flatMap(([i, v]) => (v === 0 ? [] : [i]))
    if (a.axis === undefined) return [x.reshape([x.size]).gather(b.ints(kept))]
    return [x.gather(b.ints(kept), axisIn(a.axis, x.rank, fault))]
  },
  cost: () => 0,
  channels: () => [],
  examples: [{ x: [[3, 4], flags(0, 1, 1)], a: { axis: 0 } }, { x: [[2, 3], flags(0, 1, 0, 0, 1)] }],
})

/** Different elements (or slices along an axis), where each stood first, which each element became, and how often each is there. */
export const Unique = defineOp({
  type: 'Unique',
  since: 11,
  attrs: { axis: int(), sorted: int(1) },
  dataDependent: 'how many different elements there are depends on the data',
  infer({ x: [x], a, known, outputs, fail }) {
    const values = known(0, 'data')
    const axis = a.axis === undefined ? undefined : axisIn(a.axis, x.shape.length, fail)
    const n = axis === undefined ? values.length : x.shape[axis]!
    const inner = axis === undefined ? 1 : sizeOf(x.shape.slice(axis + 1))
    const slices = Array.from({ length: n }, (): number[] => [])
    values.forEach((v, i) => slices[Math.floor(i / inner) % n]!.push(v))
    const count = new Set(slices.map(String)).size
    const index = (d: number) => ({ dtype: 'int64' as const, shape: [d] })
    const shape = axis === undefined ? [count] : x.shape.map((d, i) => (i === axis ? count : d))
    return [{ dtype: x.dtype, shape }, index(count), index(n), index(count)].slice(0, outputs)
  },
  grad: { none: 'which elements stay depends on their values' },
  cost: ({ x: [x] }) => sizeOf(x.shape),
  channels: () => [],
  examples: [
    { x: [{ shape: [6], dtype: 'float32', values: [2, 1, 1, 3, 4, 3] }], outputs: 4 },
    { x: [{ shape: [3, 2], dtype: 'int64', values: [1, 0, 1, 0, 2, 3] }], a: { axis: 0 }, outputs: 4 },
  ],
})

/** Boxes that no better one overlaps, as rows of batch, class and box. */
export const NonMaxSuppression = defineOp({
  type: 'NonMaxSuppression',
  since: 10,
  attrs: { center_point_box: int(0) },
  dataDependent: 'how many boxes it selects depends on the data',
  infer: ({ x: [boxes], fail }) => fail(`how many of ${showShape(boxes.shape)} boxes it selects depends on the data`),
  grad: 'zero',
  examples: [],
})
