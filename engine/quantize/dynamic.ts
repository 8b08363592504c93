import { UnsupportedError } from '../errors.ts'
import { getFloat, getInt, intAttr, makeNode, TensorData, type Graph, type Model } from '../ir/index.ts'
import { upgradeOpset } from '../onnx/index.ts'
import { cloneModel } from '../passes/index.ts'
import eliminateDead from '../passes/rewrites/eliminate-dead.ts'
import { accountOf } from './account.ts'
import { compare, type RunOptions, type Samples } from './calibrate.ts'
import { Emitter } from './emitter.ts'
import { excluded } from './exclude.ts'
import { weightLayers, type WeightLayer } from './matrices.ts'
import type { Quantized } from './quantizeModel.ts'
import type { Grid } from './scheme.ts'
import { quantizeWeight } from './weights.ts'

export interface DynamicOptions extends RunOptions {
  /** Weights of 7 bits, for processors without VNNI, whose kernels can overflow with 8. */
  reduceRange?: boolean | undefined
  perChannel?: boolean | undefined
  exclude?: readonly string[] | undefined
  /** Only to tell the noise; no range is taken from them. */
  samples: Samples
}

/** First opset with DynamicQuantizeLinear. */
const OPSET = 11

/**
 * Weights as int8, activations as uint8 by the range that each input happens to have: no calibration, at the price of looking at every
 * activation twice. Products and convolutions become MatMulInteger and ConvInteger, in the form that ONNX Runtime fuses.
 * Errors: UnsupportedError where no layer can be computed so.
 */
export async function quantizeDynamically(model: Model, o: DynamicOptions): Promise<Quantized> {
  const { model: source } = (model.opsets.get('') ?? 1) < OPSET ? upgradeOpset(model, 17) : { model }
  const result = cloneModel(source)
  const grid: Grid = o.reduceRange ? { dtype: 'int8', low: -64, high: 64 } : { dtype: 'int8', low: -127, high: 127 }
  const layers = weightLayers(result.graph).map((l) => ({ ...l, reason: refusal(l) ?? excluded(l.node, o.exclude) }))
  const chosen = layers.filter((l) => l.reason === undefined)
  if (!chosen.length)
    throw new UnsupportedError('no layer of the model can be computed in integers', {
      where: model.graph.name || 'model',
      hint: layers.map((l) => `'${l.node.name || l.node.outputs[0]}': ${l.reason}`).join('; ') || 'it has no Conv, Gemm or MatMul',
    })
  const noise = new Map<string, number>()
  const writer = new Writer(result.graph)
  for (const layer of chosen) noise.set(layer.node.outputs[0]!, writer.write(layer, grid, o.perChannel ?? true))
  writer.finish()
  eliminateDead.run(result.graph)
  const sqnr = await compare(source, result, new Set(layers.map((l) => l.node.outputs[0]!)), o.samples, o)
  return {
    model: result,
    layers: layers.map(({ node, reason }) => {
      const name = node.outputs[0]!
      return accountOf(node, 'int8 dynamic', reason, sqnr.get(name), noise.get(name))
    }),
    rewrites: [],
    activations: [],
    warnings: [],
  }
}

function refusal({ node, weight, reason }: WeightLayer): string | undefined {
  if (reason !== undefined) return reason
  if (weight!.dtype !== 'float32') return `its weight is ${weight!.dtype}`
  if (node.op === 'ConvTranspose') return 'ONNX Runtime has no integer kernel for ConvTranspose'
  if (node.op === 'Conv' && weight!.dims.length !== 4) return 'ConvInteger is for images'
  if (node.op === 'Gemm' && (getInt(node, 'transA', 0) || getFloat(node, 'alpha', 1) !== 1))
    return 'its input is transposed, or it scales its product'
  return undefined
}

class Writer {
  readonly #e: Emitter
  /** One look at each activation, whoever reads it. */
  readonly #inputs = new Map<string, [values: string, scale: string, zero: string]>()

  constructor(graph: Graph) {
    this.#e = new Emitter(graph)
  }

  /** @returns signal to noise of the weight, dB */
  write({ node, weight }: WeightLayer, grid: Grid, perChannel: boolean): number {
    const e = this.#e
    const title = node.name || node.outputs[0]!
    const isConv = node.op === 'Conv'
    const transB = node.op === 'Gemm' && getInt(node, 'transB', 0) === 1
    const axis = isConv || transB ? 0 : 1
    const q = quantizeWeight(weight!, perChannel ? axis : undefined, grid)
    // MatMulInteger takes the weight as [K, N].
    const values = transB ? transposed(q.values) : q.values
    const [x, scale, zero] = this.#input(node.inputs[0]!)
    const w = e.constant(`${title}/weight`, values)
    // Symmetric weights: one zero point of 0 serves all channels.
    const wZero = e.constant(`${title}/weight/zero`, TensorData.scalar('int8', 0))
    const attrs = isConv ? Object.fromEntries(node.attrs) : {}
    const sums = e.add(isConv ? 'ConvInteger' : 'MatMulInteger', [x, w, zero, wZero], `${title}/integers`, attrs)
    const floats = e.add('Cast', [sums], `${title}/float`, { to: intAttr(1) })
    const shape = perChannel && isConv ? [q.scale.size, 1, 1] : q.scale.dims
    const both = e.add('Mul', [scale, e.constant(`${title}/weight/scale`, q.scale.reshape(shape))], `${title}/scale`)
    const bias = node.op === 'MatMul' ? undefined : node.inputs[2]
    const beta = node.op === 'Gemm' ? getFloat(node, 'beta', 1) : 1
    if (bias && beta !== 0) {
      const product = e.add('Mul', [floats, both], `${title}/product`)
      e.put('Add', [product, this.#bias(bias, { isConv, beta, title })], node.outputs[0]!)
    } else e.put('Mul', [floats, both], node.outputs[0]!)
    e.remove(node)
    return q.sqnr
  }

  /** What is added to a product: the bias along its channels, times the factor of a Gemm. */
  #bias(bias: string, o: { isConv: boolean; beta: number; title: string }): string {
    const e = this.#e
    if (o.isConv) {
      const known = e.graph.initializers.get(bias)
      if (known) return e.constant(`${o.title}/bias`, known.reshape([1, known.size, 1, 1]))
      return e.add('Unsqueeze', [bias, e.constant(`${o.title}/axes`, TensorData.int64([0, 2, 3]))], `${o.title}/bias`)
    }
    if (o.beta === 1) return bias
    return e.add('Mul', [bias, e.constant(`${o.title}/beta`, TensorData.scalar('float32', o.beta))], `${o.title}/bias`)
  }

  #input(name: string): [string, string, string] {
    const known = this.#inputs.get(name)
    if (known) return known
    const e = this.#e
    const made: [string, string, string] = [e.fresh(`${name}/uint8`), e.fresh(`${name}/scale`), e.fresh(`${name}/zero`)]
    e.graph.nodes.push(makeNode('DynamicQuantizeLinear', [name], made, {}, { name: made[0] }))
    this.#inputs.set(name, made)
    return made
  }

  finish(): void {
    this.#e.finish()
  }
}

/** A matrix with rows and columns swapped. */
function transposed(t: TensorData): TensorData {
  const [rows, columns] = t.dims as [number, number]
  const from = t.data as Int8Array
  const out = new Int8Array(from.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = from[i * columns + j]!
  return TensorData.of('int8', [columns, rows], out)
}
