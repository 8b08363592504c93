import { ModelError } from '../errors.ts'
import { byteLength, dataTypeOf, DATA_TYPES, sizeOf, TensorData, type DataType } from '../ir/index.ts'
import { locate, readPlace, showTensor, type Source } from './external.ts'
import type { Message } from './schema.ts'

/** What the reader remembers of a tensor, so that it is written back as it stood. */
export interface TensorOrigin {
  message: Message<'TensorProto'>
  /** The sparse message that it was unpacked from; then `message` is its `values`. */
  sparse: Message<'SparseTensorProto'> | undefined
  source: Source
}

export const originOf = (data: TensorData): TensorOrigin | undefined => data.origin as TensorOrigin | undefined

export const isExternal = (message: Message<'TensorProto'>): boolean => message.data_location === 1

/** How messages name a tensor: `initializer 'w' float32[3, 4]`. */
const label = (what: string, dtype: string, dims: readonly number[]) => `${what} ${showTensor(dtype, dims)}`

/**
 * A tensor of the file, unread: its bytes are views of the file, or converted or read from the data file on the first
 * touch. `what` names it in messages. Errors: ModelError for an element type that ONNX does not define.
 */
export function tensorOf(message: Message<'TensorProto'>, source: Source, what: string): TensorData {
  const dtype = elementType(message, source, what)
  const dims = (message.dims ?? []).map(Number)
  const name = label(what, dtype, dims)
  const load = (): Uint8Array => {
    const problem = problemOf(message, dtype, dims)
    if (problem !== undefined) throw new ModelError(`${name}: ${problem}`, { where: source.file })
    if (!isExternal(message)) return convert(message, dtype, dims)
    return readPlace(locate(message, source, byteLength(dtype, sizeOf(dims)), name), name)
  }
  const check = (): string | undefined => {
    const problem = problemOf(message, dtype, dims)
    if (problem !== undefined || !isExternal(message)) return problem
    try {
      locate(message, source, byteLength(dtype, sizeOf(dims)), name)
      return undefined
    } catch (error) {
      if (error instanceof ModelError) return error.message.slice(name.length + 2)
      throw error
    }
  }
  const origin: TensorOrigin = { message, sparse: undefined, source }
  return new TensorData(dtype, dims, load, {
    origin,
    check,
    ...(dtype === 'string' ? { strings: message.string_data ?? [] } : {}),
  })
}

function elementType(message: Message<'TensorProto'>, source: Source, what: string): DataType {
  const dtype = dataTypeOf(message.data_type ?? 0)
  if (dtype === undefined)
    throw new ModelError(`${what} has element type ${message.data_type ?? 0}, which ONNX does not define`, { where: source.file })
  return dtype
}

/** What is wrong with the shape or the stored size; external data is looked at by `locate`. */
function problemOf(message: Message<'TensorProto'>, dtype: DataType, dims: readonly number[]): string | undefined {
  const negative = dims.find((d) => d < 0)
  if (negative !== undefined) return `dimension ${negative} is negative`
  const size = sizeOf(dims)
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(size * 16)) return 'its dimensions overflow'
  if (message.segment) return 'is a segment of a larger tensor, which ONNX Runtime does not read either'
  if (dtype === 'string') {
    const found = message.string_data?.length ?? 0
    return found === size ? undefined : `its shape needs ${size} strings, found ${found}`
  }
  if (isExternal(message)) return undefined
  const needed = byteLength(dtype, size)
  if (message.raw_data) return sameSize(needed, message.raw_data.length, 'bytes')
  const { field, unit, perEntry } = storage(dtype)
  const payload = message[field]
  if (unit > 0) return sameSize(needed, payload?.length ?? 0, 'bytes')
  return sameSize(needed / perEntry, countVarints(payload), 'values')
}

const sameSize = (needed: number, found: number, unit: string): string | undefined =>
  needed === found ? undefined : `its shape needs ${needed} ${unit}, found ${found}`

/** The typed field of an element type; `unit` 0 for varints, each standing for `perEntry` bytes of the tensor. */
function storage(dtype: DataType): {
  field: 'float_data' | 'double_data' | 'int64_data' | 'uint64_data' | 'int32_data'
  unit: number
  perEntry: number
} {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return { field: 'float_data', unit: 4, perEntry: 4 }
    case 'float64':
    case 'complex128':
      return { field: 'double_data', unit: 8, perEntry: 8 }
    case 'int64':
      return { field: 'int64_data', unit: 0, perEntry: 8 }
    case 'uint64':
    case 'uint32':
      return { field: 'uint64_data', unit: 0, perEntry: DATA_TYPES[dtype].bits / 8 }
    default:
      // Sub-byte elements come a whole byte to the number.
      return { field: 'int32_data', unit: 0, perEntry: Math.max(1, DATA_TYPES[dtype].bits / 8) }
  }
}

function countVarints(payload: Uint8Array | undefined): number {
  let count = 0
  if (payload) for (const byte of payload) if (byte < 0x80) count++
  return count
}

function convert(message: Message<'TensorProto'>, dtype: DataType, dims: readonly number[]): Uint8Array {
  if (dtype === 'string') return new Uint8Array(0)
  if (message.raw_data) return message.raw_data
  const { field, unit, perEntry } = storage(dtype)
  const payload = message[field] ?? new Uint8Array(0)
  if (unit > 0) return payload
  const out = new Uint8Array(byteLength(dtype, sizeOf(dims)))
  const view = new DataView(out.buffer)
  let at = 0
  for (let from = 0; at < out.length; at += perEntry) {
    let lo = 0
    let hi = 0
    for (let shift = 0; ; shift += 7) {
      const byte = payload[from++]!
      if (shift < 28) lo |= (byte & 0x7f) << shift
      else if (shift === 28) {
        lo |= (byte & 0x7f) << 28
        hi = (byte & 0x7f) >>> 4
      } else if (shift < 64) hi |= (byte & 0x7f) << (shift - 32)
      if (byte < 0x80) break
    }
    if (perEntry === 1) view.setUint8(at, lo)
    else if (perEntry === 2) view.setUint16(at, lo, true)
    else view.setUint32(at, lo, true)
    if (perEntry === 8) view.setUint32(at + 4, hi, true)
  }
  return out
}

/** Bytes of a sparse tensor unpacked, at most: nothing in the file backs them. */
const MAX_DENSE = 2 ** 31

/** A sparse initializer as a dense tensor, unpacked on the first touch; as ONNX Runtime does. */
export function denseOf(sparse: Message<'SparseTensorProto'>, source: Source, what: string): TensorData {
  const message = sparse.values ?? {}
  const dtype = elementType(message, source, what)
  const dims = (sparse.dims ?? []).map(Number)
  const fail = (problem: string): never => {
    throw new ModelError(`sparse ${label(what, dtype, dims)}: ${problem}`, { where: source.file })
  }
  const load = (): Uint8Array => {
    const size = sizeOf(dims)
    if (dims.some((d) => d < 0) || !Number.isSafeInteger(size) || byteLength(dtype, size) > MAX_DENSE)
      return fail('too large to unpack')
    const width = DATA_TYPES[dtype].bits / 8
    if (width < 1) return fail(`elements of type ${dtype} are not supported in sparse tensors`)
    const values = tensorOf(message, source, `values of ${what}`)
    const indices = tensorOf(sparse.indices ?? {}, source, `indices of ${what}`)
    const count = values.size
    const linear = indices.dims.length < 2
    const at = indices.numbers()
    if (at.length !== count * (linear ? 1 : dims.length)) return fail(`${count} values, but ${at.length} indices`)
    const out = new Uint8Array(byteLength(dtype, size))
    for (let i = 0; i < count; i++) {
      let flat = linear ? at[i]! : 0
      if (!linear) for (let axis = 0; axis < dims.length; axis++) flat = flat * dims[axis]! + at[i * dims.length + axis]!
      if (!(flat >= 0 && flat < size)) return fail(`index ${flat} is outside`)
      out.set(values.bytes.subarray(i * width, (i + 1) * width), flat * width)
    }
    return out
  }
  const origin: TensorOrigin = { message, sparse, source }
  return new TensorData(dtype, dims, load, { origin })
}
