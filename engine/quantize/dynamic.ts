import { UnsupportedError } from '../errors.ts'
import { getFloat, getInt, makeNode, sortNodes, TensorData, type Graph, type Model, type Node } from '../ir/index.ts'
import { upgradeOpset } from '../onnx/index.ts'
import { cloneModel, namesOf } from '../passes/index.ts'
import eliminateDead from '../passes/rewrites/eliminate-dead.ts'
import { accountOf } from './account.ts'
import { compare, type RunOptions, type Samples } from './calibrate.ts'
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
  readonly #graph: Graph
  readonly #taken: Set<string>
  readonly #added: Node[] = []
  readonly #gone = new Set<Node>()
  /** One look at each activation, whoever reads it. */
  readonly #inputs = new Map<string, [values: string, scale: string, zero: string]>()

  constructor(graph: Graph) {
    this.#graph = graph
    this.#taken = namesOf(graph)
  }

  /** @returns signal to noise of the weight, dB */
  write({ node, weight }: WeightLayer, grid: Grid, perChannel: boolean): number {
    const title = node.name || node.outputs[0]!
    const isConv = node.op === 'Conv'
    const transB = node.op === 'Gemm' && getInt(node, 'transB', 0) === 1
    const axis = isConv || transB ? 0 : 1
    const q = quantizeWeight(weight!, perChannel ? axis : undefined, grid)
    // MatMulInteger takes the weight as [K, N].
    const values = transB ? transposed(q.values) : q.values
    const [x, scale, zero] = this.#input(node.inputs[0]!)
    const w = this.#constant(`${title}/weight`, values)
    // Symmetric weights: one zero point of 0 serves all channels.
    const wZero = this.#constant(`${title}/weight/zero`, TensorData.scalar('int8', 0))
    const sums = this.#fresh(`${title}/integers`)
    const attrs = isConv ? Object.fromEntries(node.attrs) : {}
    this.#add(isConv ? 'ConvInteger' : 'MatMulInteger', [x, w, zero, wZero], sums, attrs)
    const floats = this.#fresh(`${title}/float`)
    this.#add('Cast', [sums], floats, { to: { type: 'int', value: 1 } })
    const shape = perChannel && isConv ? [q.scale.size, 1, 1] : q.scale.dims
    const wScale = this.#constant(`${title}/weight/scale`, q.scale.reshape(shape))
    const both = this.#fresh(`${title}/scale`)
    this.#add('Mul', [scale, wScale], both)
    const bias = node.op === 'MatMul' ? undefined : node.inputs[2]
    const beta = node.op === 'Gemm' ? getFloat(node, 'beta', 1) : 1
    const product = bias && beta !== 0 ? this.#fresh(`${title}/product`) : node.outputs[0]!
    this.#add('Mul', [floats, both], product)
    if (bias && beta !== 0) this.#bias(node, bias, product, { isConv, beta, title })
    this.#gone.add(node)
    return q.sqnr
  }

  #bias(node: Node, bias: string, product: string, o: { isConv: boolean; beta: number; title: string }): void {
    let added = bias
    if (o.isConv) {
      const known = this.#graph.initializers.get(bias)
      if (known) added = this.#constant(`${o.title}/bias`, known.reshape([1, known.size, 1, 1]))
      else {
        added = this.#fresh(`${o.title}/bias`)
        this.#add('Unsqueeze', [bias, this.#constant(`${o.title}/axes`, TensorData.int64([0, 2, 3]))], added)
      }
    } else if (o.beta !== 1) {
      added = this.#fresh(`${o.title}/bias`)
      this.#add('Mul', [bias, this.#constant(`${o.title}/beta`, TensorData.scalar('float32', o.beta))], added)
    }
    this.#add('Add', [product, added], node.outputs[0]!)
  }

  #input(name: string): [string, string, string] {
    const known = this.#inputs.get(name)
    if (known) return known
    const made: [string, string, string] = [this.#fresh(`${name}/uint8`), this.#fresh(`${name}/scale`), this.#fresh(`${name}/zero`)]
    this.#added.push(makeNode('DynamicQuantizeLinear', [name], made, {}, { name: made[0] }))
    this.#inputs.set(name, made)
    return made
  }

  finish(): void {
    this.#graph.nodes = [...this.#graph.nodes.filter((n) => !this.#gone.has(n)), ...this.#added]
    sortNodes(this.#graph)
  }

  #add(op: string, inputs: string[], output: string, attrs: Parameters<typeof makeNode>[3] = {}): void {
    this.#added.push(makeNode(op, inputs, [output], attrs, { name: this.#fresh(`${output}/${op}`) }))
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

/** A matrix with rows and columns swapped. */
function transposed(t: TensorData): TensorData {
  const [rows, columns] = t.dims as [number, number]
  const from = t.data as Int8Array
  const out = new Int8Array(from.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = from[i * columns + j]!
  return TensorData.of('int8', [columns, rows], out)
}
