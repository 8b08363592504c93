import { dataTypeOf, sizeOf, TensorData } from '../../ir/index.ts'
import { float, floats, int, ints, string, strings, tensor } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { concat } from '../tensor.ts'
import { axisIn } from '../support/axes.ts'
import { exact } from '../support/values.ts'

const utf8 = new TextEncoder()
const ofStrings = (dims: readonly number[], list: readonly string[]) =>
  new TensorData('string', dims, () => new Uint8Array(), { strings: list.map((s) => utf8.encode(s)) })

interface ConstantAttrs {
  readonly value: TensorData | undefined
  readonly value_float: number | undefined
  readonly value_floats: readonly number[] | undefined
  readonly value_int: number | undefined
  readonly value_ints: readonly number[] | undefined
  readonly value_string: string | undefined
  readonly value_strings: readonly string[] | undefined
}

function constantOf(a: ConstantAttrs): TensorData | undefined {
  if (a.value) return a.value
  if (a.value_float !== undefined) return TensorData.scalar('float32', a.value_float)
  if (a.value_floats) return TensorData.from('float32', [a.value_floats.length], a.value_floats)
  if (a.value_int !== undefined) return TensorData.scalar('int64', a.value_int)
  if (a.value_ints) return TensorData.int64(a.value_ints)
  if (a.value_string !== undefined) return ofStrings([], [a.value_string])
  return a.value_strings && ofStrings([a.value_strings.length], a.value_strings)
}

/** A constant of the graph, of any size: it becomes a value that the compiler knows. */
export const Constant = defineOp({
  type: 'Constant',
  since: 13,
  attrs: {
    value: tensor(),
    value_float: float(),
    value_floats: floats(),
    value_int: int(),
    value_ints: ints(),
    value_string: string(),
    value_strings: strings(),
  },
  infer({ a, fail }) {
    const value = constantOf(a) ?? fail('none of the value attributes is given')
    return [{ dtype: value.dtype, shape: value.dims }]
  },
  grad: 'zero',
  fold: ({ a }) => [constantOf(a)],
  simplify({ a, b }) {
    const value = constantOf(a)
    return value && b.constant(value)
  },
  cost: () => 0,
  channels: () => [],
  examples: [
    { x: [], a: { value_floats: [1, 2.5] } },
    { x: [], a: { value_int: 3 } },
    { x: [], a: { value_ints: [3, -4] } },
    { x: [], a: { value_float: 0.5 } },
  ],
})

export const ConstantOfShape = defineOp({
  type: 'ConstantOfShape',
  since: 9,
  attrs: { value: tensor() },
  infer: ({ a, known }) => [{ dtype: a.value?.dtype ?? 'float32', shape: known(0, 'shape') }],
  grad: 'zero',
  simplify({ a, y: [y], b }) {
    const value = a.value ? a.value.reshape([]) : TensorData.scalar('float32', 0)
    return b.constant(value).expand(y!.shape)
  },
  cost: () => 0,
  channels: () => [],
  examples: [
    { x: [{ shape: [2], dtype: 'int64', values: [2, 3] }] },
    { x: [{ shape: [1], dtype: 'int64', values: [4] }], a: { value: TensorData.int64([7]) } },
  ],
})

/** Numbers from `start` by `delta`, below `limit`. Its inputs are constants, so no gradient reaches them. */
export const Range = defineOp({
  type: 'Range',
  since: 11,
  attrs: {},
  infer({ x: [x], known, fail }) {
    const [start, limit, delta] = [known(0, 'start')[0]!, known(1, 'limit')[0]!, known(2, 'delta')[0]!]
    if (delta === 0) fail('delta is 0')
    return [{ dtype: x.dtype, shape: [Math.max(0, Math.ceil((limit - start) / delta))] }]
  },
  grad: 'zero',
  fold({ x: [start, , delta], y: [y] }) {
    const [from, by] = [start!.numbers()[0]!, delta!.numbers()[0]!]
    const list = exact(
      y!,
      Array.from({ length: sizeOf(y!.shape) }, (_, i) => from + i * by),
    )
    return list && [list]
  },
  cost: ({ y: [y] }) => sizeOf(y.shape),
  channels: () => [],
  examples: [[1, 7, 2] as const, [5, -2, -3] as const].map((list) => ({
    x: list.map((v) => ({ shape: [], dtype: 'int64' as const, values: [v] })),
  })),
})

/** Every shape is exact while building, so this is a constant. */
export const Shape = defineOp({
  type: 'Shape',
  since: 15,
  attrs: { start: int(0), end: int() },
  infer({ x: [x], a }) {
    return [{ dtype: 'int64', shape: [x.shape.slice(a.start, a.end).length] }]
  },
  grad: 'zero',
  fold: ({ types: [x], a }) => [TensorData.int64(x!.shape.slice(a.start, a.end))],
  cost: () => 0,
  channels: () => [],
  examples: [{ x: [[2, 3, 4]] }, { x: [[2, 3, 4]], a: { start: 1, end: -1 } }, { x: [[2, 3, 4]], a: { start: -2, end: 9 } }],
})

export const Size = defineOp({
  type: 'Size',
  since: 13,
  attrs: {},
  infer: () => [{ dtype: 'int64', shape: [] }],
  grad: 'zero',
  fold: ({ types: [x] }) => [TensorData.scalar('int64', sizeOf(x!.shape))],
  cost: () => 0,
  channels: () => [],
  examples: [{ x: [[2, 3]] }],
})

/** Ones on diagonal k of a matrix of the input's shape. */
export const EyeLike = defineOp({
  type: 'EyeLike',
  since: 9,
  attrs: { dtype: int(), k: int(0) },
  infer({ x: [x], a, fail }) {
    if (x.shape.length !== 2) fail(`expected a matrix, found ${x.shape.length} axes`)
    const dtype = a.dtype === undefined ? x.dtype : (dataTypeOf(a.dtype) ?? fail(`'dtype' is ${a.dtype}, which is no element type`))
    return [{ dtype, shape: x.shape }]
  },
  grad: 'zero',
  fold({ y: [y], a }) {
    const [rows, columns] = y!.shape as [number, number]
    const eye = Array.from({ length: rows * columns }, (_, i) => ((i % columns) - Math.floor(i / columns) === a.k ? 1 : 0))
    return [TensorData.from(y!.dtype, y!.shape, eye)]
  },
  cost: () => 0,
  channels: () => [],
  examples: [{ x: [[3, 4]] }, { x: [[3, 3]], a: { k: -1, dtype: 7 } }],
})

/** values[1] at the index, values[0] elsewhere, along a new axis of size `depth`. Either value gets the sum of dy over its places. */
export const OneHot = defineOp({
  type: 'OneHot',
  since: 11,
  attrs: { axis: int(-1) },
  infer({ x: [indices, , values], a, known, fail }) {
    const depth = known(1, 'depth')[0]!
    const axis = axisIn(a.axis, indices.shape.length + 1, fail)
    return [{ dtype: values.dtype, shape: [...indices.shape.slice(0, axis), depth, ...indices.shape.slice(axis)] }]
  },
  grad({ b, x: [indices, depth], dy: [dy], a }) {
    const mask = b.emit('OneHot', [indices, depth, b.array(dy.dtype, [2], [0, 1])], { ...a })[0]!
    const on = dy.mul(mask).sum()
    return [null, null, concat([dy.sum().sub(on).reshape([1]), on.reshape([1])], 0)]
  },
  cost: ({ y: [y] }) => sizeOf(y.shape),
  channels: () => [],
  examples: [-1, 0].map((axis) => ({
    x: [
      { shape: [3], dtype: 'int64', values: [1, 0, 3] },
      { shape: [], dtype: 'int64', values: [4] },
      { shape: [2], dtype: 'float32' },
    ] as const,
    a: { axis },
  })),
})
