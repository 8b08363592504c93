import './telemetry.ts'
import { Tensor as OrtTensor } from 'onnxruntime-node'
import { BugError } from '../errors.ts'
import { sizeOf, showShape, TensorData, type DataType, type TypedArray } from '../ir/index.ts'

const utf8 = new TextEncoder()
const text = new TextDecoder()

/**
 * A tensor as ONNX Runtime holds it. Feeding `data` and reading it back copy nothing, and an output that is fed to the next
 * run is handed over as it is: that is how training state goes round.
 * float16 values are their 16-bit patterns (Uint16Array), bool values bytes of 0 or 1.
 */
export class Value {
  readonly dtype: DataType
  readonly dims: readonly number[]
  /** @internal The runtime's own tensor. */
  readonly ort: OrtTensor
  /** Whether a session made the memory, so that nobody else can be reading it. */
  readonly #own: boolean

  /** @internal Use `Value.of` and its kin. */
  constructor(ort: OrtTensor, own = false) {
    this.ort = ort
    this.#own = own
    if (ort.type === 'float16' && ort.location === 'cpu') keepBits(ort)
    this.dtype = ort.type
    this.dims = ort.dims
  }

  /** A value over an array; the array is not copied. Errors: BugError when its length does not fit the dims. */
  static of(dtype: DataType, dims: readonly number[], data: TypedArray): Value {
    if (data.length !== sizeOf(dims) && dtype !== 'uint4' && dtype !== 'int4')
      throw new BugError(`${dtype}${showShape(dims)} needs ${sizeOf(dims)} elements, found ${data.length}`)
    return new Value(new OrtTensor(dtype as 'float32', data as Float32Array, [...dims]))
  }

  /** Plain numbers, converted to `dtype`. */
  static from(dtype: DataType, dims: readonly number[], values: ArrayLike<number>): Value {
    return Value.of(dtype, dims, TensorData.from(dtype, dims, values).data)
  }

  /** Strings, row-major. */
  static strings(dims: readonly number[], values: readonly string[]): Value {
    return new Value(new OrtTensor('string', [...values], [...dims]))
  }

  /** A constant of the IR as a value; views its bytes. */
  static fromTensor(tensor: TensorData): Value {
    if (tensor.strings)
      return Value.strings(
        tensor.dims,
        tensor.strings.map((s) => text.decode(s)),
      )
    return Value.of(tensor.dtype, tensor.dims, tensor.data)
  }

  get size(): number {
    return this.ort.size
  }

  /** `cpu`, or where a GPU provider left it. */
  get location(): string {
    return this.ort.location
  }

  /** Elements, row-major, not copied. Errors: BugError for strings, and for values that live on a device. */
  get data(): TypedArray {
    // The runtime aborts the process when a device tensor is read, so this must be stopped here.
    if (this.ort.location !== 'cpu') throw new BugError(`a value on ${this.ort.location} cannot be read, fetch it to the CPU`)
    if (this.dtype === 'string') throw new BugError('a string value has no numbers, read .text')
    return this.ort.data as unknown as TypedArray
  }

  /** Elements of a string value. */
  get text(): readonly string[] {
    return this.ort.data as unknown as readonly string[]
  }

  /** Values as numbers (bigint and half converted). */
  numbers(): Float32Array | Float64Array {
    return this.toTensor().numbers()
  }

  /** The same values as a constant of the IR; views the memory. */
  toTensor(): TensorData {
    if (this.dtype !== 'string') return TensorData.of(this.dtype, this.dims, this.data)
    const strings = this.text.map((s) => utf8.encode(s))
    return new TensorData('string', this.dims, () => new Uint8Array(0), { strings })
  }

  /**
   * Frees what a session answered; the value, and arrays taken from it, must not be used again. Memory that somebody else gave belongs to
   * the garbage collector. On the CPU this is for large outputs of a loop: freed at once, their memory serves the next run while it is warm.
   */
  dispose(): void {
    if (this.ort.location !== 'cpu') this.ort.dispose()
    else if (this.#own && this.dtype !== 'string') {
      const { buffer } = this.ort.data as unknown as TypedArray
      if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0)
    }
  }
}

/**
 * Where Node has Float16Array the runtime's JavaScript half wraps float16 in it, which its native half then takes for an
 * empty array (1.30). Bit patterns are understood by both, and by the rest of this program.
 */
function keepBits(ort: OrtTensor): void {
  const data = ort.data as unknown as TypedArray
  if (data instanceof Uint16Array) return
  Object.assign(ort, {
    cpuData: new Uint16Array((data as TypedArray).buffer, (data as TypedArray).byteOffset, (data as TypedArray).length),
  })
}
