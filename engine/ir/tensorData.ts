import { BugError, ModelError } from '../errors.ts'
import { byteLength, type DataType } from './dtype.ts'
import { showShape, sizeOf } from './shape.ts'

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

type TypedArrayConstructor = {
  new (buffer: ArrayBufferLike, offset: number, length: number): TypedArray
  BYTES_PER_ELEMENT: number
}

const ARRAYS: Partial<Record<DataType, TypedArrayConstructor>> = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
}

/**
 * A constant tensor: an initializer, a constant of the builder, a value read back from a run.
 * Bytes are little-endian, row-major, packed. They are asked for only when touched, so the weights of a file stay views of
 * it (or unread external data) until then.
 */
export class TensorData {
  readonly dtype: DataType
  readonly dims: readonly number[]
  /** What the file said, kept by the reader so that an untouched tensor is written back unchanged. Opaque to everyone else. */
  readonly origin: unknown
  readonly #load: () => Uint8Array
  readonly #check: (() => string | undefined) | undefined
  #bytes: Uint8Array | undefined
  /** Elements of a string tensor (raw bytes each: ONNX does not promise UTF-8). */
  readonly strings: readonly Uint8Array[] | undefined

  constructor(
    dtype: DataType,
    dims: readonly number[],
    load: () => Uint8Array,
    options: { origin?: unknown; strings?: readonly Uint8Array[]; check?: () => string | undefined } = {},
  ) {
    this.dtype = dtype
    this.dims = dims
    this.#load = load
    this.origin = options.origin
    this.strings = options.strings
    this.#check = options.check
  }

  /** A tensor over values held in memory; the array is not copied. */
  static of(dtype: DataType, dims: readonly number[], data: TypedArray): TensorData {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    if (bytes.length !== byteLength(dtype, sizeOf(dims)))
      throw new BugError(`${dtype}${showShape(dims)} needs ${byteLength(dtype, sizeOf(dims))} bytes, found ${bytes.length}`)
    return new TensorData(dtype, dims, () => bytes)
  }

  /** A tensor of plain numbers, converted to `dtype` (float16 included). */
  static from(dtype: DataType, dims: readonly number[], values: ArrayLike<number>): TensorData {
    const out = allocate(dtype, sizeOf(dims))
    if (values.length !== out.length)
      throw new BugError(`${dtype}${showShape(dims)} needs ${out.length} values, found ${values.length}`)
    if (dtype === 'float16') for (let i = 0; i < out.length; i++) out[i] = toHalf(values[i]!)
    else if (dtype === 'bfloat16') for (let i = 0; i < out.length; i++) out[i] = toBrain(values[i]!)
    else if (out instanceof BigInt64Array || out instanceof BigUint64Array)
      for (let i = 0; i < out.length; i++) out[i] = BigInt(Math.trunc(values[i]!))
    else for (let i = 0; i < out.length; i++) out[i] = values[i]!
    return TensorData.of(dtype, dims, out)
  }

  static scalar(dtype: DataType, value: number): TensorData {
    return TensorData.from(dtype, [], [value])
  }

  static int64(values: readonly number[]): TensorData {
    return TensorData.from('int64', [values.length], values)
  }

  get size(): number {
    return sizeOf(this.dims)
  }

  /** What is wrong with the stored data, found without loading it (a missing file, too few bytes); undefined when sound. */
  problem(): string | undefined {
    return this.#check?.()
  }

  /** Packed little-endian bytes. Errors: ModelError when the file holds fewer or more than the shape needs. */
  get bytes(): Uint8Array {
    if (this.#bytes) return this.#bytes
    const bytes = this.#load()
    const expected = byteLength(this.dtype, this.size)
    if (bytes.length !== expected)
      throw new ModelError(`tensor ${this.dtype}${showShape(this.dims)} needs ${expected} bytes, found ${bytes.length}`)
    this.#bytes = bytes
    return bytes
  }

  /** Typed view of the bytes; copied only where the file left them misaligned. float16/bfloat16 give their 16-bit patterns. */
  get data(): TypedArray {
    const Type = ARRAYS[this.dtype]
    if (!Type) throw new ModelError(`element type ${this.dtype} has no typed view`, { hint: 'read .bytes or .strings instead' })
    const { bytes } = this
    const aligned = bytes.byteOffset % Type.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice()
    return new Type(aligned.buffer, aligned.byteOffset, bytes.length / Type.BYTES_PER_ELEMENT)
  }

  /** Values as numbers (bigint and half converted). Meant for small tensors and float weights. */
  numbers(): Float64Array | Float32Array {
    const { data } = this
    if (data instanceof Float32Array || data instanceof Float64Array) return data
    const out = new Float64Array(data.length)
    if (this.dtype === 'float16') for (let i = 0; i < out.length; i++) out[i] = fromHalf(data[i] as number)
    else if (this.dtype === 'bfloat16') for (let i = 0; i < out.length; i++) out[i] = fromBrain(data[i] as number)
    else for (let i = 0; i < out.length; i++) out[i] = Number(data[i])
    return out
  }

  /** The same values with another element type; itself when nothing changes. */
  as(dtype: DataType): TensorData {
    return dtype === this.dtype ? this : TensorData.from(dtype, this.dims, this.numbers())
  }

  /** The same bytes under another shape of equal size. */
  reshape(dims: readonly number[]): TensorData {
    if (sizeOf(dims) !== this.size) throw new BugError(`cannot view ${showShape(this.dims)} as ${showShape(dims)}`)
    return new TensorData(this.dtype, dims, () => this.bytes)
  }
}

export function allocate(dtype: DataType, length: number): TypedArray {
  const Type = ARRAYS[dtype] as unknown as (new (length: number) => TypedArray) | undefined
  if (!Type) throw new BugError(`element type ${dtype} has no typed array`)
  return new Type(length)
}

const f32 = new Float32Array(1)
const u32 = new Uint32Array(f32.buffer)

/** IEEE half bits of a number, round to nearest even. */
export function toHalf(value: number): number {
  f32[0] = value
  const bits = u32[0]!
  const sign = (bits >>> 16) & 0x8000
  const exponent = (bits >>> 23) & 0xff
  const mantissa = bits & 0x7fffff
  if (exponent === 0xff) return sign | 0x7c00 | (mantissa ? 0x200 : 0)
  const e = exponent - 127 + 15
  if (e >= 31) return sign | 0x7c00
  if (e <= 0) {
    if (e < -10) return sign
    const full = mantissa | 0x800000
    const shift = 14 - e
    const half = full >>> shift
    const rest = full & ((1 << shift) - 1)
    const tie = 1 << (shift - 1)
    return sign | (half + (rest > tie || (rest === tie && half & 1) ? 1 : 0))
  }
  const half = (e << 10) | (mantissa >>> 13)
  const rest = mantissa & 0x1fff
  return sign | (half + (rest > 0x1000 || (rest === 0x1000 && half & 1) ? 1 : 0))
}

export function fromHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >>> 10) & 0x1f
  const mantissa = half & 0x3ff
  if (exponent === 0) return sign * mantissa * 2 ** -24
  if (exponent === 31) return mantissa ? NaN : sign * Infinity
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15)
}

function toBrain(value: number): number {
  f32[0] = value
  const bits = u32[0]!
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

function fromBrain(bits: number): number {
  u32[0] = bits << 16
  return f32[0]!
}
