/** NumPy's NPY format, versions 1 to 3: magic, header length, a Python dict literal, elements. */
import { DataError } from '../../errors.ts'
import { MAX_IN_MEMORY } from './files.ts'

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
const MAX_RANK = 32

const READ: Record<string, { bytes: number; read: (v: DataView, at: number, little: boolean) => number }> = {
  b1: { bytes: 1, read: (v, at) => v.getUint8(at) },
  u1: { bytes: 1, read: (v, at) => v.getUint8(at) },
  i1: { bytes: 1, read: (v, at) => v.getInt8(at) },
  u2: { bytes: 2, read: (v, at, little) => v.getUint16(at, little) },
  i2: { bytes: 2, read: (v, at, little) => v.getInt16(at, little) },
  u4: { bytes: 4, read: (v, at, little) => v.getUint32(at, little) },
  i4: { bytes: 4, read: (v, at, little) => v.getInt32(at, little) },
  u8: { bytes: 8, read: (v, at, little) => Number(v.getBigUint64(at, little)) },
  i8: { bytes: 8, read: (v, at, little) => Number(v.getBigInt64(at, little)) },
  f2: { bytes: 2, read: (v, at, little) => halfToNumber(v.getUint16(at, little)) },
  f4: { bytes: 4, read: (v, at, little) => v.getFloat32(at, little) },
  f8: { bytes: 8, read: (v, at, little) => v.getFloat64(at, little) },
}

export interface NpyArray {
  dims: number[]
  /** NumPy's type without byte order: `u1`, `f4`, … */
  type: string
  /** Row-major. Bytes (`u1`) as they are; every other type becomes float32, integers float64 so that labels stay exact. */
  data: Uint8Array | Float32Array | Float64Array
}

export const isNpy = (head: Uint8Array): boolean => MAGIC.every((byte, i) => head[i] === byte)

/** Reads an NPY file from its bytes. `where` names it in errors. Throws DataError when it is broken or holds Python objects. */
export function parseNpy(bytes: Uint8Array, where: string): NpyArray {
  if (!isNpy(bytes) || bytes.length < 12) throw new DataError('expected an NPY header, found other bytes', { where })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const wide = bytes[6]! >= 2
  const start = wide ? 12 : 10
  const end = start + (wide ? view.getUint32(8, true) : view.getUint16(8, true))
  if (end > bytes.length) throw new DataError(`the header ends at byte ${end}, the file at byte ${bytes.length}`, { where })
  const header = new TextDecoder().decode(bytes.subarray(start, end))
  const descr = /'descr':\s*'([<>|=])([a-zA-Z]\d*)'/.exec(header)
  const order = /'fortran_order':\s*(True|False)/.exec(header)
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(header)
  if (!descr || !order || !shape) throw new DataError(`expected descr, fortran_order and shape, found ${header.trim()}`, { where })
  const kind = READ[descr[2]!]
  if (!kind) {
    throw new DataError(`expected elements of type ${Object.keys(READ).join(', ')}, found '${descr[1]}${descr[2]}'`, {
      where,
      hint: 'save the array again with a numeric dtype',
    })
  }
  const dims = shape[1]!
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number)
  const count = dims.reduce((n, d) => n * d, 1)
  if (dims.length > MAX_RANK || !(count * kind.bytes <= Math.min(bytes.length - end, MAX_IN_MEMORY))) {
    throw new DataError(`shape (${dims.join(', ')}) needs ${count * kind.bytes} bytes, found ${bytes.length - end}`, { where })
  }
  const data = elements(bytes, end, count, descr[2]!, kind, descr[1] !== '>')
  return { dims, type: descr[2]!, data: order[1] === 'True' ? rowMajor(data, dims) : data }
}

function elements(bytes: Uint8Array, start: number, count: number, type: string, kind: (typeof READ)[string], little: boolean) {
  if (type === 'u1') return bytes.slice(start, start + count)
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, count * kind.bytes)
  const out = type.startsWith('f') ? new Float32Array(count) : new Float64Array(count)
  for (let i = 0; i < count; i++) out[i] = kind.read(view, i * kind.bytes, little)
  return out
}

/** Fortran order (first index fastest) to row-major. */
function rowMajor<T extends Uint8Array | Float32Array | Float64Array>(data: T, dims: readonly number[]): T {
  if (dims.length < 2) return data
  const out = data.slice() as T
  const index = new Array<number>(dims.length).fill(0)
  const strides = dims.map((_, axis) => dims.slice(0, axis).reduce((n, d) => n * d, 1))
  for (let i = 0; i < data.length; i++) {
    out[i] = data[index.reduce((at, k, axis) => at + k * strides[axis]!, 0)]!
    for (let axis = dims.length - 1; axis >= 0 && ++index[axis]! === dims[axis]; axis--) index[axis] = 0
  }
  return out
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}
