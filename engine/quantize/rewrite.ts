import { intAttr, makeNode, sortNodes, TensorData, type Attribute, type Graph, type Node } from '../ir/index.ts'
import { namesOf, redirect } from '../passes/index.ts'
import type { Plan } from './plan.ts'
import { asymmetric, clampTo, type Quantization, type Scheme } from './scheme.ts'
import { leastScale, quantizeBias, quantizeWeight } from './weights.ts'

export interface RewriteOptions {
  scheme: Scheme
  perChannel: boolean
  /** Domain of QuantizeLinear: '' from opset 13 on. */
  domain: string
  /** Scale and zero point of every group's first member. */
  activations: ReadonlyMap<string, Quantization>
  /** Scales of weights that are known, by the layer's output. */
  weightSteps?: ReadonlyMap<string, Float32Array>
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
  readonly #taken: Set<string>
  readonly #added: Node[] = []

  constructor(graph: Graph, plan: Plan, options: RewriteOptions) {
    this.#graph = graph
    this.#plan = plan
    this.#options = options
    this.#taken = namesOf(graph)
  }

  write(): Map<string, number> {
    const noise = new Map<string, number>()
    const { scheme } = this.#options
    for (const layer of this.#plan.layers) if (layer.reason === undefined) noise.set(layer.output, this.#weights(layer))
    for (const { node, input, value } of this.#plan.constants) {
      const real = Float64Array.from(value.numbers())
      const range = [real.reduce((a, b) => Math.min(a, b), 0), real.reduce((a, b) => Math.max(a, b), 0)] as const
      const q = asymmetric(range, scheme.activations)
      const integers = TensorData.from(
        scheme.activations.dtype,
        value.dims,
        real.map((x) => clampTo(scheme.activations, x / q.scale + q.zero)),
      )
      node.inputs[input] = this.#dequantized(
        `${node.name || node.outputs[0]}/constant`,
        integers,
        this.#store(q, node.inputs[input]!),
      )
    }
    for (const group of this.#plan.groups) {
      const names = this.#store(this.#options.activations.get(group.members[0]!)!, group.members[0]!)
      for (const name of group.members) this.#activation(name, names)
    }
    const gone = new Set(this.#plan.absorbed.values())
    this.#graph.nodes = [...this.#graph.nodes.filter((node) => !gone.has(node)), ...this.#added]
    sortNodes(this.#graph)
    return noise
  }

  #weights({ node, output, weight, bias, add, axis }: Plan['layers'][number]): number {
    const { scheme, perChannel, activations } = this.#options
    const input = activations.get(this.#plan.groupOf.get(node.inputs[0]!)!.members[0]!)!
    const title = node.name || node.outputs[0]!
    const least = leastScale(bias, input.scale)
    const channels = weight!.dims[axis]!
    const all = Array.from({ length: channels }, (_, c) => least?.(c) ?? 0)
    const w = quantizeWeight(
      weight!,
      perChannel ? axis : undefined,
      scheme.weights,
      perChannel ? least : () => all.reduce((a, b) => Math.max(a, b), 0),
      this.#options.weightSteps?.get(output),
    )
    const scale = this.#constant(`${title}/weight/scale`, w.scale)
    const zero = this.#constant(`${title}/weight/zero`, w.zero)
    node.inputs[1] = this.#dequantized(`${title}/weight`, w.values, [scale, zero], perChannel ? axis : undefined)
    if (bias) {
      const b = quantizeBias(bias, channels, input.scale, w.scale)
      const biasScale = this.#constant(`${title}/bias/scale`, b.scale)
      const biasZero = this.#constant(
        `${title}/bias/zero`,
        TensorData.from('int32', b.scale.dims, new Array<number>(b.scale.size).fill(0)),
      )
      const holder = add ?? { node, input: 2 }
      holder.node.inputs[holder.input] = this.#dequantized(
        `${title}/bias`,
        b.values,
        [biasScale, biasZero],
        perChannel ? 0 : undefined,
      )
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
      from = this.#fresh(`${name}/float`)
      producer.outputs = producer.outputs.map((output) => (output === name ? from : output))
    } else {
      to = this.#fresh(`${name}/rounded`)
      redirect(this.#graph, name, to)
      // A Relu of an input that was written before reads the input through its own node.
      for (const node of this.#added) node.inputs = node.inputs.map((input) => (input === name ? to : input))
    }
    const integers = this.#fresh(`${name}/quantized`)
    const { domain } = this.#options
    this.#added.push(
      makeNode('QuantizeLinear', [from, ...parameters], [integers], {}, { domain, name: integers }),
      makeNode('DequantizeLinear', [integers, ...parameters], [to], {}, { domain, name: this.#fresh(`${name}/dequantize`) }),
    )
  }

  #dequantized(title: string, values: TensorData, parameters: [string, string], axis?: number): string {
    const output = this.#fresh(`${title}/dequantized`)
    const stored = this.#constant(`${title}/quantized`, values)
    const attrs: Record<string, Attribute> = axis === undefined ? {} : { axis: intAttr(axis) }
    this.#added.push(
      makeNode('DequantizeLinear', [stored, ...parameters], [output], attrs, { domain: this.#options.domain, name: output }),
    )
    return output
  }

  #store({ scale, zero }: Quantization, title: string): [string, string] {
    return [
      this.#constant(`${title}/scale`, TensorData.scalar('float32', scale)),
      this.#constant(`${title}/zero`, TensorData.scalar(this.#options.scheme.activations.dtype, zero)),
    ]
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
