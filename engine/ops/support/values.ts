import { allocate, isFloat, sizeOf, strides, TensorData, type DataType, type TypedArray } from '../../ir/index.ts'
import type { Step } from '../builder.ts'
import type { TensorType } from '../rule.ts'
import type { Tensor } from '../tensor.ts'

const INTEGERS: ReadonlySet<DataType> = new Set(['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'])

export const isInteger = (dtype: DataType): boolean => INTEGERS.has(dtype)

/** Element types whose values can be read as plain numbers here; strings, complex and packed types cannot. */
export const isPlain = (dtype: DataType): boolean => isFloat(dtype) || isInteger(dtype) || dtype === 'bool'

/** Above this size a constant is not searched for a repeated value: weights stay untouched on disk. */
const SEARCH_LIMIT = 4096

/** The step that makes a tensor; undefined for inputs and constants. */
export const producer = (t: Tensor): Step | undefined => (t.step >= 0 ? t.b.steps[t.step] : undefined)

/** The producer, where it is a call of this standard operator. */
export function madeBy(t: Tensor, op: string): Step | undefined {
  const step = producer(t)
  return step?.node.op === op && step.node.domain === '' ? step : undefined
}

/** The one value that all elements have, where that is known: a constant, or a constant that was expanded. */
export function uniform(t: Tensor): number | undefined {
  if (!t.value) {
    const source = madeBy(t, 'Expand')?.inputs[0]
    return source && uniform(source)
  }
  if (!isPlain(t.value.dtype) || t.value.size > SEARCH_LIMIT || t.value.size === 0) return undefined
  const v = t.value.numbers()
  for (let i = 1; i < v.length; i++) if (v[i] !== v[0]) return undefined
  return v[0]
}

/** Reader of the inputs' values as numbers, undefined where an input is absent or unknown. */
export const knownValues = (x: readonly (Tensor | undefined)[]) => (i: number) => x[i]?.value && Array.from(x[i].value.numbers())

/** Flat source index of every element of a view: `offset + sum_i coordinate_i * steps_i`, in row-major order of `dims`. */
export function viewIndex(dims: readonly number[], steps: readonly number[], offset = 0): Int32Array {
  const out = new Int32Array(sizeOf(dims))
  const at = new Array<number>(dims.length).fill(0)
  let index = offset
  for (let i = 0; i < out.length; i++) {
    out[i] = index
    for (let k = dims.length - 1; k >= 0; k--) {
      index += steps[k]!
      if (++at[k]! < dims[k]!) break
      index -= steps[k]! * dims[k]!
      at[k] = 0
    }
  }
  return out
}

/** Source index of every element of `to` in a tensor of shape `from` that is broadcast to it. */
export function broadcastIndex(from: readonly number[], to: readonly number[]): Int32Array {
  const own = strides(from)
  const lead = to.length - from.length
  return viewIndex(
    to,
    to.map((_, i) => (i < lead || from[i - lead] === 1 ? 0 : own[i - lead]!)),
  )
}

/** Elements of a constant in another order or shape, copied exactly (large int64 values included). */
export function pick(data: TensorData, dims: readonly number[], index: ArrayLike<number>): TensorData | undefined {
  if (!isPlain(data.dtype)) return undefined
  const from = data.data
  const out = allocate(data.dtype, index.length)
  for (let i = 0; i < out.length; i++) out[i] = from[index[i]!] as never
  return TensorData.of(data.dtype, dims, out)
}

/** A constant joined from others: `source(i)` tells where element i comes from. */
export function gatherParts(dtype: DataType, dims: readonly number[], source: (i: number) => [TypedArray, number]): TensorData {
  const out = allocate(dtype, sizeOf(dims))
  for (let i = 0; i < out.length; i++) {
    const [from, at] = source(i)
    out[i] = from[at] as never
  }
  return TensorData.of(dtype, dims, out)
}

/** A constant of plain numbers; undefined where an integer would not be exact. */
export function exact(type: TensorType, values: ArrayLike<number>): TensorData | undefined {
  if (isInteger(type.dtype)) for (let i = 0; i < values.length; i++) if (!Number.isSafeInteger(values[i])) return undefined
  return TensorData.from(type.dtype, type.shape, values)
}

/** Elementwise function of known, broadcast inputs; undefined where one is unknown or the result is not exact. */
export function foldElementwise(
  x: readonly (TensorData | undefined)[],
  y: TensorType,
  value: (...v: number[]) => number,
): TensorData | undefined {
  const known: { v: ArrayLike<number>; at: Int32Array }[] = []
  for (const t of x) {
    if (!t || !isPlain(t.dtype)) return undefined
    known.push({ v: t.numbers(), at: broadcastIndex(t.dims, y.shape) })
  }
  const out = new Float64Array(sizeOf(y.shape))
  const args = new Array<number>(known.length)
  for (let i = 0; i < out.length; i++) {
    for (let k = 0; k < known.length; k++) args[k] = known[k]!.v[known[k]!.at[i]!]!
    out[i] = value(...args)
  }
  return exact(y, out)
}
