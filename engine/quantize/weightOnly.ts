import { OptionError, UnsupportedError } from '../errors.ts'
import { getFloat, getInt, intAttr, makeNode, sortNodes, TensorData, type Graph, type Model, type Node } from '../ir/index.ts'
import { upgradeOpset } from '../onnx/index.ts'
import { cloneModel, namesOf } from '../passes/index.ts'
import eliminateDead from '../passes/rewrites/eliminate-dead.ts'
import { accountOf } from './account.ts'
import { compare, type RunOptions, type Samples } from './calibrate.ts'
import { excluded } from './exclude.ts'
import { hasStatistics, inputStatistics } from './gram.ts'
import { matrixOf, weightLayers, type WeightLayer } from './matrices.ts'
import type { Quantized } from './quantizeModel.ts'
import { blocksOf, dequantized, type Matrix, type RoundedMatrix, type WeightGrid } from './rounder.ts'
import { reconstruct, type GridWeight } from './reconstruct/index.ts'
import { rounders } from './rounders/list.gen.ts'
import { decibels } from './weights.ts'

/** First opset and file version with 4-bit integers. */
const PACKED_OPSET = 21
const IR_VERSION = 10

export interface WeightOnlyOptions extends RunOptions {
  bits: 4 | 8
  /** Numbers of a row that share a scale; 0: a whole row. At least 16 and a power of 2 for ONNX Runtime's product of packed weights. Default 32. */
  block?: number | undefined
  /** Id of a rounder; default `rtn`. */
  rounding?: string | undefined
  /** Optimizer steps for each layer or block of roundings that learn. */
  roundingSteps?: number | undefined
  /** Layers that stay in float: names, or /patterns/. */
  exclude?: readonly string[] | undefined
  samples: Samples
}

/**
 * Stores weights in 4 or 8 bits and leaves activations in float. Products with a matrix become MatMulNBits, which unpacks while it
 * multiplies; other weights become integers and the arithmetic that ONNX Runtime does once when the model is loaded.
 * Errors: OptionError for unknown roundings and blocks; UnsupportedError where no weight can be stored so.
 */
export async function quantizeWeights(model: Model, o: WeightOnlyOptions): Promise<Quantized> {
  const rounder = rounders.find((r) => r.id === (o.rounding ?? 'rtn'))
  if (!rounder)
    throw new OptionError(`expected ${rounders.map((r) => r.id).join(', ')}; found '${o.rounding}'`, { where: 'rounding' })
  const block = o.block ?? 32
  if (block !== 0 && (block < 16 || (block & (block - 1)) !== 0))
    throw new OptionError(`block is 0 or a power of 2 of at least 16, found ${block}`, { where: 'block' })
  const opset = model.opsets.get('') ?? 1
  const { model: source, notUpgraded } =
    o.bits === 4 && opset < PACKED_OPSET ? upgradeOpset(model, PACKED_OPSET) : { model, notUpgraded: [] }
  if (notUpgraded[0])
    throw new UnsupportedError(
      `the model cannot be brought to opset ${PACKED_OPSET}, which packed weights need: ${notUpgraded[0].reason}`,
      {
        where: notUpgraded[0].op,
        hint: 'the scheme int8 works from opset 10 on',
      },
    )
  const result = cloneModel(source)
  if (o.bits === 4) result.irVersion = Math.max(result.irVersion, IR_VERSION)
  const layers = weightLayers(result.graph).map((l) => ({ ...l, reason: l.reason ?? excluded(l.node, o.exclude) }))
  const chosen = layers.filter((l) => l.reason === undefined)
  if (!chosen.length)
    throw new UnsupportedError(`no weight of the model can be stored in ${o.bits} bits`, {
      where: model.graph.name || 'model',
      hint: layers.map((l) => `'${l.node.name || l.node.outputs[0]}': ${l.reason}`).join('; ') || 'it has no Conv, Gemm or MatMul',
    })
  const warnings: string[] = []
  const told = rounder.needsInputs ? chosen.filter(hasStatistics) : []
  const statistics = told.length ? await inputStatistics(source, told, o.samples, o) : new Map()
  const noise = new Map<string, number>()
  const writer = new Writer(result.graph, o.bits)
  const made: { layer: WeightLayer; w: Matrix; grid: WeightGrid; rounded: RoundedMatrix }[] = []
  for (const layer of chosen) {
    o.signal?.throwIfAborted()
    const w = matrixOf(layer)
    const grid: WeightGrid = { bits: o.bits, block: block === 0 ? w.columns : Math.min(block, powerAbove(w.columns)) }
    const known = statistics.get(layer.node.outputs[0]!)
    const rounded =
      rounder.needsInputs && !known
        ? rounders.find((r) => r.id === 'rtn')!.round(w, grid, undefined)
        : rounder.round(w, grid, known)
    if (rounder.needsInputs && !known)
      warnings.push(
        `'${layer.node.name || layer.node.outputs[0]}' is rounded to nearest: its inputs cannot be told column by column`,
      )
    made.push({ layer, w, grid, rounded })
  }
  if (rounder.learns) {
    const grids = new Map(made.map((m) => [m.layer.node.outputs[0]!, gridOf(m.layer, m.w, m.rounded, m.grid)]))
    const learned = await reconstruct(source, grids, { ...o, by: rounder.learns, steps: o.roundingSteps })
    warnings.push(...learned.warnings)
    for (const m of made) {
      const levels = learned.levels.get(m.layer.node.inputs[m.layer.input]!)
      if (levels) m.rounded = { ...m.rounded, levels: Uint8Array.from(inRows(levels, m.layer, m.w)) }
    }
  }
  for (const { layer, w, grid, rounded } of made) {
    noise.set(layer.node.outputs[0]!, sqnrOf(w, rounded, grid))
    writer.write(layer, w, rounded, grid)
  }
  writer.finish()
  eliminateDead.run(result.graph)
  if (writer.packed) result.opsets.set('com.microsoft', 1)
  const names = new Set(layers.map((l) => l.node.outputs[0]!))
  const sqnr = await compare(source, result, names, o.samples, o)
  return {
    model: result,
    layers: layers.map(({ node, reason }) => {
      const name = node.outputs[0]!
      return accountOf(node, `w${o.bits} ${rounder.id}`, reason, sqnr.get(name), noise.get(name))
    }),
    rewrites: [],
    activations: [],
    warnings,
  }
}

/** A rounded matrix in the weight's own order, element by element. */
function gridOf(layer: WeightLayer, w: Matrix, r: RoundedMatrix, grid: WeightGrid): GridWeight {
  const blocks = blocksOf(w.columns, grid)
  const spread = (values: Float32Array) =>
    Float32Array.from(w.values, (_, i) => values[Math.floor(i / w.columns) * blocks + Math.floor((i % w.columns) / grid.block)]!)
  return {
    name: layer.node.inputs[layer.input]!,
    dims: layer.weight!.dims,
    values: Float32Array.from(layer.weight!.numbers()),
    scale: asStored(spread(r.scale), layer, w),
    zero: asStored(spread(r.zero), layer, w),
    low: 0,
    high: 2 ** grid.bits - 1,
  }
}

/** Numbers of a matrix, a row for each output channel, in the order of the weight. */
function asStored(rows: Float32Array, { transposed }: WeightLayer, w: Matrix): Float32Array {
  return transposed ? swapped(rows, w.rows, w.columns) : rows
}

const inRows = (stored: Float32Array, { transposed }: WeightLayer, w: Matrix): Float32Array =>
  transposed ? swapped(stored, w.columns, w.rows) : stored

function swapped(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c]!
  return out
}

const powerAbove = (n: number): number => Math.max(16, 2 ** Math.ceil(Math.log2(n)))

function sqnrOf(w: Matrix, r: RoundedMatrix, grid: WeightGrid): number {
  const back = dequantized(r, w, grid)
  let [signal, noise] = [0, 0]
  w.values.forEach((v, i) => {
    signal += v * v
    noise += (v - back[i]! / (r.columnScale?.[i % w.columns] ?? 1)) ** 2
  })
  return decibels(signal, noise)
}

/** Packs numbers of 4 bits two to a byte, the first in the low half. */
function packed(values: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(Math.ceil(values.length / 2))
  for (let i = 0; i < values.length; i++) out[i >> 1]! |= values[i]! << (4 * (i & 1))
  return out
}

class Writer {
  readonly #graph: Graph
  readonly #bits: 4 | 8
  readonly #taken: Set<string>
  readonly #added: Node[] = []
  readonly #gone = new Set<Node>()
  packed = false

  constructor(graph: Graph, bits: 4 | 8) {
    this.#graph = graph
    this.#bits = bits
    this.#taken = namesOf(graph)
  }

  finish(): void {
    this.#graph.nodes = [...this.#graph.nodes.filter((n) => !this.#gone.has(n)), ...this.#added]
    sortNodes(this.#graph)
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
      this.#constant(`${title}/weight`, TensorData.of('uint8', [w.rows, blocks, perBlock], bytes)),
      this.#constant(`${title}/scales`, TensorData.of('float32', [w.rows * blocks], r.scale)),
      this.#constant(`${title}/zeros`, TensorData.of('uint8', [w.rows * width], zeros)),
    ]
    const bias = node.op === 'Gemm' ? node.inputs[2] : undefined
    const output = bias ? this.#fresh(`${title}/product`) : node.outputs[0]!
    const attrs = { K: intAttr(w.columns), N: intAttr(w.rows), bits: intAttr(this.#bits), block_size: intAttr(grid.block) }
    this.#added.push(makeNode('MatMulNBits', inputs, [output], attrs, { domain: 'com.microsoft', name: title }))
    if (bias) this.#added.push(makeNode('Add', [output, bias], [node.outputs[0]!], {}, { name: this.#fresh(`${title}/bias`) }))
    this.#gone.add(node)
    this.packed = true
  }

  /** The activations divided by what the columns were multiplied with. */
  #divided(name: string, scale: Float64Array | undefined, title: string): string {
    if (!scale) return name
    const out = this.#fresh(`${title}/scaled`)
    const inverse = this.#constant(
      `${title}/inverse`,
      TensorData.from(
        'float32',
        [scale.length],
        scale.map((s) => 1 / s),
      ),
    )
    this.#added.push(makeNode('Mul', [name, inverse], [out], {}, { name: out }))
    return out
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
    let value = this.#emit('Cast', [this.#constant(`${title}/levels`, levels)], `${title}/floats`, { to: intAttr(1) })
    const index = even ? undefined : this.#constant(`${title}/blocks`, blockIndices(columns, grid))
    // A number for each block: broadcast over it, or spread by a gather where the last block is smaller.
    const perBlock = (values: Float32Array, wanted: string): string => {
      const held = this.#constant(`${title}/${wanted}`, TensorData.of('float32', even ? [rows, blocks, 1] : [rows, blocks], values))
      return index ? this.#emit('Gather', [held, index], `${title}/${wanted}s`, { axis: intAttr(1) }) : held
    }
    if (r.zero.some((z) => z !== 0)) value = this.#emit('Sub', [value, perBlock(r.zero, 'zero')], `${title}/centred`)
    value = this.#emit('Mul', [value, perBlock(r.scale, 'scale')], `${title}/scaled`)
    const shape = layer.transposed ? [rows, columns] : layer.weight!.dims
    if (r.columnScale) {
      value = this.#reshaped(value, [rows, columns], `${title}/matrix`)
      const inverse = TensorData.from('float32', [columns], r.columnScale.map((s) => 1 / s)) // prettier-ignore
      value = this.#emit('Mul', [value, this.#constant(`${title}/inverse`, inverse)], `${title}/unscaled`)
    }
    value = this.#reshaped(value, shape, `${title}/weight`)
    return layer.transposed ? this.#emit('Transpose', [value], `${title}/transposed`) : value
  }

  #reshaped(value: string, dims: readonly number[], wanted: string): string {
    return this.#emit('Reshape', [value, this.#constant(`${wanted}/shape`, TensorData.int64(dims))], wanted)
  }

  #emit(op: string, inputs: string[], wanted: string, attrs: Parameters<typeof makeNode>[3] = {}): string {
    const out = this.#fresh(wanted)
    this.#added.push(makeNode(op, inputs, [out], attrs, { name: out }))
    return out
  }

  #constant(wanted: string, value: TensorData): string {
    const name = this.#fresh(wanted)
    this.#graph.initializers.set(name, value)
    return name
  }

  #fresh(wanted: string): string {
    let name = wanted
    for (let i = 2; this.#taken.has(name); i++) name = `${wanted}_${i}`
    this.#taken.add(name)
    return name
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
