import { getFloat, getInt, intAttr, TensorData, type Graph } from '../ir/index.ts'
import { Emitter } from './emitter.ts'
import type { WeightLayer } from './matrices.ts'
import { blocksOf, type Matrix, type RoundedMatrix, type WeightGrid } from './rounder.ts'

/** Packs numbers of 4 bits two to a byte, the first in the low half. */
function packed(values: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(Math.ceil(values.length / 2))
  for (let i = 0; i < values.length; i++) out[i >> 1]! |= values[i]! << (4 * (i & 1))
  return out
}

/** Writes rounded weights into a graph; `finish` puts its nodes in order. */
export class WeightWriter {
  readonly #e: Emitter
  readonly #bits: 4 | 8
  packed = false

  constructor(graph: Graph, bits: 4 | 8) {
    this.#e = new Emitter(graph)
    this.#bits = bits
  }

  finish(): void {
    this.#e.finish()
  }

  write(layer: WeightLayer, w: Matrix, r: RoundedMatrix, grid: WeightGrid): void {
    if (packable(layer, grid, r)) this.#product(layer, w, r, grid)
    else layer.node.inputs[layer.input] = this.#stored(layer, w, r, grid)
  }

  /** x @ W^T on packed weights. A kernel of ONNX Runtime; the bias is its own where it has one. */
  #product({ node }: WeightLayer, w: Matrix, r: RoundedMatrix, grid: WeightGrid): void {
    const title = node.name || node.outputs[0]!
    const blocks = blocksOf(w.columns, grid)
    const perBlock = (grid.block * this.#bits) / 8
    const bytes = new Uint8Array(w.rows * blocks * perBlock)
    const padded = new Uint8Array(grid.block)
    for (let row = 0; row < w.rows; row++)
      for (let b = 0; b < blocks; b++) {
        padded.fill(Math.round(r.zero[row * blocks + b]!))
        const from = row * w.columns + b * grid.block
        padded.set(r.levels.subarray(from, row * w.columns + Math.min(w.columns, (b + 1) * grid.block)))
        bytes.set(this.#bits === 4 ? packed(padded) : padded, (row * blocks + b) * perBlock)
      }
    // Zero points of a row are packed as the weights are; a row of odd length ends in half a byte.
    const rowZeros = (row: number) => r.zero.subarray(row * blocks, (row + 1) * blocks)
    const width = Math.ceil((blocks * this.#bits) / 8)
    const zeros = new Uint8Array(w.rows * width)
    for (let row = 0; row < w.rows; row++)
      zeros.set(this.#bits === 4 ? packed(rowZeros(row)) : Uint8Array.from(rowZeros(row)), row * width)
    const data = this.#divided(node.inputs[0]!, r.columnScale, title)
    const inputs = [
      data,
      this.#e.constant(`${title}/weight`, TensorData.of('uint8', [w.rows, blocks, perBlock], bytes)),
      this.#e.constant(`${title}/scales`, TensorData.of('float32', [w.rows * blocks], r.scale)),
      this.#e.constant(`${title}/zeros`, TensorData.of('uint8', [w.rows * width], zeros)),
    ]
    const bias = node.op === 'Gemm' ? node.inputs[2] : undefined
    const output = bias ? this.#e.fresh(`${title}/product`) : node.outputs[0]!
    const attrs = { K: intAttr(w.columns), N: intAttr(w.rows), bits: intAttr(this.#bits), block_size: intAttr(grid.block) }
    this.#e.put('MatMulNBits', inputs, output, attrs, 'com.microsoft')
    if (bias) this.#e.put('Add', [output, bias], node.outputs[0]!)
    this.#e.remove(node)
    this.packed = true
  }

  /** The activations divided by what the columns were multiplied with. */
  #divided(name: string, scale: Float64Array | undefined, title: string): string {
    if (!scale) return name
    const inverse = this.#e.constant(
      `${title}/inverse`,
      TensorData.from(
        'float32',
        [scale.length],
        scale.map((s) => 1 / s),
      ),
    )
    return this.#e.add('Mul', [name, inverse], `${title}/scaled`)
  }

  /**
   * The weight as integers and what makes floats of them, (levels - zero) scale, block by block: ONNX Runtime computes that once, when the model is
   * loaded. It would keep a DequantizeLinear and run it in every call.
   */
  #stored(layer: WeightLayer, w: Matrix, r: RoundedMatrix, grid: WeightGrid): string {
    const title = layer.node.inputs[layer.input]!
    const { rows, columns } = w
    const blocks = blocksOf(columns, grid)
    const even = columns % grid.block === 0
    const dims = even ? [rows, blocks, grid.block] : [rows, columns]
    const bytes = this.#bits === 4 ? packed(r.levels) : r.levels
    const levels = new TensorData(this.#bits === 4 ? 'uint4' : 'uint8', dims, () => bytes)
    let value = this.#e.add('Cast', [this.#e.constant(`${title}/levels`, levels)], `${title}/floats`, { to: intAttr(1) })
    const index = even ? undefined : this.#e.constant(`${title}/blocks`, blockIndices(columns, grid))
    // A number for each block: broadcast over it, or spread by a gather where the last block is smaller.
    const perBlock = (values: Float32Array, wanted: string): string => {
      const held = this.#e.constant(
        `${title}/${wanted}`,
        TensorData.of('float32', even ? [rows, blocks, 1] : [rows, blocks], values),
      )
      return index ? this.#e.add('Gather', [held, index], `${title}/${wanted}s`, { axis: intAttr(1) }) : held
    }
    if (r.zero.some((z) => z !== 0)) value = this.#e.add('Sub', [value, perBlock(r.zero, 'zero')], `${title}/centred`)
    value = this.#e.add('Mul', [value, perBlock(r.scale, 'scale')], `${title}/scaled`)
    const shape = layer.transposed ? [rows, columns] : layer.weight!.dims
    if (r.columnScale) {
      value = this.#reshaped(value, [rows, columns], `${title}/matrix`)
      const inverse = TensorData.from('float32', [columns], r.columnScale.map((s) => 1 / s)) // prettier-ignore
      value = this.#e.add('Mul', [value, this.#e.constant(`${title}/inverse`, inverse)], `${title}/unscaled`)
    }
    value = this.#reshaped(value, shape, `${title}/weight`)
    return layer.transposed ? this.#e.add('Transpose', [value], `${title}/transposed`) : value
  }

  #reshaped(value: string, dims: readonly number[], wanted: string): string {
    return this.#e.add('Reshape', [value, this.#e.constant(`${wanted}/shape`, TensorData.int64(dims))], wanted)
  }
}

/** Which block each column belongs to. */
const blockIndices = (columns: number, grid: WeightGrid): TensorData =>
  TensorData.of(
    'int32',
    [columns],
    Int32Array.from({ length: columns }, (_, c) => Math.floor(c / grid.block)),
  )

/** What the kernel for packed weights takes: a plain product, whole zero points, and blocks of a power of 2 from 16 on. */
function packable({ node }: WeightLayer, grid: WeightGrid, r: RoundedMatrix): boolean {
  if (node.op !== 'MatMul' && node.op !== 'Gemm') return false
  if (
    node.op === 'Gemm' &&
    (getInt(node, 'transA', 0) || getFloat(node, 'alpha', 1) !== 1 || (node.inputs[2] && getFloat(node, 'beta', 1) !== 1))
  )
    return false
  return r.zero.every((z) => Number.isInteger(z)) && grid.block >= 16 && (grid.block & (grid.block - 1)) === 0
}
