import { OptionError, UnsupportedError } from '../errors.ts'
import type { Model } from '../ir/index.ts'
import { upgradeOpset } from '../onnx/index.ts'
import { cloneModel } from '../passes/index.ts'
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
import { WeightWriter } from './weightWriter.ts'

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
  const writer = new WeightWriter(result.graph, o.bits)
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
