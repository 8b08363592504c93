import { intAttr, TensorData, type Attribute, type Graph } from '../ir/index.ts'
import { redirect } from '../passes/index.ts'
import { correctedBias } from './biasCorrection.ts'
import { Emitter } from './emitter.ts'
import type { Plan } from './plan.ts'
import { asymmetric, clampTo, symmetric, type Quantization, type Scheme } from './scheme.ts'
import { leastScales, quantizeBias, quantizeWeight } from './weights.ts'

export interface RewriteOptions {
  scheme: Scheme
  perChannel: boolean
  /** Domain of QuantizeLinear: '' from opset 13 on. */
  domain: string
  /** Scale and zero point of every group's first member. */
  activations: ReadonlyMap<string, Quantization>
  /** Ranges around 0 have the middle of the integers for 0. */
  symmetric?: boolean | undefined
  /** Scales of weights that are known, by the layer's output. */
  weightSteps?: ReadonlyMap<string, Float32Array>
  /** Integers of weights that are known, by the layer's output. */
  levels?: ReadonlyMap<string, Float32Array> | undefined
  /** Mean of each channel that a layer reads, by the layer's output: biases then make up for the weights' rounding. */
  inputMeans?: ReadonlyMap<string, Float64Array> | undefined
}

/**
 * Puts QuantizeLinear and DequantizeLinear around everything in the plan, in place. Every value keeps its name, with the rounded
 * numbers in it, so that floats and integers can be compared value by value; the exception are inputs, which stay as they are.
 * @returns signal to noise of each quantized layer's weight, dB, by the node's first output
 */
export function insertQuantization(graph: Graph, plan: Plan, options: RewriteOptions): Map<string, number> {
  return new Writer(graph, plan, options).write()
}

class Writer {
  readonly #graph: Graph
  readonly #plan: Plan
  readonly #options: RewriteOptions
  readonly #e: Emitter

  constructor(graph: Graph, plan: Plan, options: RewriteOptions) {
    this.#graph = graph
    this.#plan = plan
    this.#options = options
    this.#e = new Emitter(graph)
  }

  write(): Map<string, number> {
    const noise = new Map<string, number>()
    const { scheme, activations } = this.#options
    for (const layer of this.#plan.layers) if (layer.reason === undefined) noise.set(layer.output, this.#weights(layer))
    for (const { node, input, value } of this.#plan.constants) {
      const real = Float64Array.from(value.numbers())
      const range = [real.reduce((a, b) => Math.min(a, b), 0), real.reduce((a, b) => Math.max(a, b), 0)] as const
      const q = this.#options.symmetric ? symmetric(range, scheme.activations) : asymmetric(range, scheme.activations)
      const integers = TensorData.from(
        scheme.activations.dtype,
        value.dims,
        real.map((x) => clampTo(scheme.activations, x / q.scale + q.zero)),
      )
      const parameters = this.#store(q, node.inputs[input]!)
      node.inputs[input] = this.#dequantized(`${node.name || node.outputs[0]}/constant`, integers, parameters)
    }
    for (const group of this.#plan.groups) {
      const names = this.#store(activations.get(group.members[0]!)!, group.members[0]!)
      for (const name of group.members) this.#activation(name, names)
    }
    for (const node of this.#plan.absorbed.values()) this.#e.remove(node)
    this.#e.finish()
    return noise
  }

  #weights({ node, output, weight, bias, add, axis }: Plan['layers'][number]): number {
    const { scheme, perChannel, activations, levels, inputMeans } = this.#options
    const input = activations.get(this.#plan.groupOf.get(node.inputs[0]!)!.members[0]!)!
    const title = node.name || node.outputs[0]!
    const channels = weight!.dims[axis]!
    const w = quantizeWeight(
      weight!,
      perChannel ? axis : undefined,
      scheme.weights,
      leastScales(bias, input.scale, channels, perChannel),
      this.#options.weightSteps?.get(output),
      levels?.get(output),
    )
    const scale = this.#e.constant(`${title}/weight/scale`, w.scale)
    const zero = this.#e.constant(`${title}/weight/zero`, w.zero)
    node.inputs[1] = this.#dequantized(`${title}/weight`, w.values, [scale, zero], perChannel ? axis : undefined)
    const means = add || node.op !== 'MatMul' ? inputMeans?.get(output) : undefined
    const shifted = means ? correctedBias(bias, { weight: weight!, axis, quantized: w, node }, means) : bias
    if (shifted) {
      const b = quantizeBias(shifted, channels, input.scale, w.scale)
      const biasScale = this.#e.constant(`${title}/bias/scale`, b.scale)
      const zeros = TensorData.from('int32', b.scale.dims, new Array<number>(b.scale.size).fill(0))
      const parameters: [string, string] = [biasScale, this.#e.constant(`${title}/bias/zero`, zeros)]
      const holder = add ?? { node, input: 2 }
      holder.node.inputs[holder.input] = this.#dequantized(`${title}/bias`, b.values, parameters, perChannel ? 0 : undefined)
    }
    return w.sqnr
  }

  /** Rounds one value where it is made; whoever reads it reads the rounded one. */
  #activation(name: string, parameters: [scale: string, zero: string]): void {
    const absorbed = this.#plan.absorbed.get(name)
    const producer = this.#graph.nodes.find((node) => node.outputs.includes(name))
    let from = name
    let to = name
    if (absorbed) from = absorbed.inputs[0]!
    else if (producer) {
      from = this.#e.fresh(`${name}/float`)
      producer.outputs = producer.outputs.map((output) => (output === name ? from : output))
    } else {
      to = this.#e.fresh(`${name}/rounded`)
      redirect(this.#graph, name, to)
    }
    const { domain } = this.#options
    const integers = this.#e.add('QuantizeLinear', [from, ...parameters], `${name}/quantized`, {}, domain)
    this.#e.put('DequantizeLinear', [integers, ...parameters], to, {}, domain)
  }

  #dequantized(title: string, values: TensorData, parameters: [string, string], axis?: number): string {
    const stored = this.#e.constant(`${title}/quantized`, values)
    const attrs: Record<string, Attribute> = axis === undefined ? {} : { axis: intAttr(axis) }
    return this.#e.add('DequantizeLinear', [stored, ...parameters], `${title}/dequantized`, attrs, this.#options.domain)
  }

  #store({ scale, zero }: Quantization, title: string): [string, string] {
    return [
      this.#e.constant(`${title}/scale`, TensorData.scalar('float32', scale)),
      this.#e.constant(`${title}/zero`, TensorData.scalar(this.#options.scheme.activations.dtype, zero)),
    ]
  }
}
