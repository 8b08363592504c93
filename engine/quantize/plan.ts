import { getFloat, getInt, usageOf, type Graph, type Node, type TensorData, type Usage } from '../ir/index.ts'
import { excluded } from './exclude.ts'
import { constantsOf, isOutput } from '../passes/index.ts'

/** A layer with weights, and how it is to be computed. */
export interface LayerPlan {
  node: Node
  /** The value that the layer is judged by: its output, or that of the Relu or Clip that it absorbs. */
  output: string
  weight: TensorData | undefined
  bias: TensorData | undefined
  /** The Add that holds the bias of a MatMul; absent where the layer has its bias itself. */
  add?: { node: Node; input: number }
  /** Axis of the weight's output channels. */
  axis: number
  /** Why the layer stays in float; undefined for quantized ones. */
  reason: string | undefined
}

/** Values that share one scale. */
export interface Group {
  members: string[]
  /** Members to look at for the range; the others hold a part of the same numbers. */
  sources: string[]
  /** Values never fall below 0: a Relu or Clip made them, and disappears into the integers' lower end. */
  floor: boolean
  /** Upper bound of an absorbed Clip. */
  ceiling: number
}

/** What becomes integer. */
export interface Plan {
  layers: LayerPlan[]
  groups: Group[]
  groupOf: Map<string, Group>
  /** Output of each Relu or Clip that disappears; its node. */
  absorbed: Map<string, Node>
  /** Additions with a constant side, to be stored as integers as well. */
  constants: { node: Node; input: number; value: TensorData }[]
}

/** Operators that hand numbers on unchanged: input and output share a scale, and ONNX Runtime then runs them on integers. */
const CARRIES = new Set(['MaxPool', 'Reshape', 'Flatten', 'Transpose', 'Squeeze', 'Unsqueeze'])
/** Operators with integer kernels that compute new numbers from activations alone. */
const COMPUTES = new Set(['Add', 'AveragePool', 'GlobalAveragePool'])
const WEIGHTED = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul'])

type Lookup = ReturnType<typeof constantsOf>

/** Decides what is computed in integers in a graph whose batch norms are folded. Reads the graph, changes nothing. */
export function makePlan(graph: Graph, exclude?: readonly string[]): Plan {
  return new Planner(graph, exclude).plan()
}

class Planner {
  readonly #graph: Graph
  readonly #exclude: readonly string[] | undefined
  readonly #usage: Usage
  readonly #constant: Lookup
  readonly #quantized = new Set<string>()
  readonly #layers: LayerPlan[]
  readonly #clamps = new Map<string, { node: Node; ceiling: number }>()

  constructor(graph: Graph, exclude: readonly string[] | undefined) {
    this.#graph = graph
    this.#exclude = exclude
    this.#usage = usageOf(graph)
    this.#constant = constantsOf(graph)
    for (const node of graph.nodes) {
      const ceiling = ceilingOf(node, this.#constant)
      if (ceiling !== undefined) this.#clamps.set(node.outputs[0]!, { node, ceiling })
    }
    this.#layers = graph.nodes.flatMap((node) => (node.domain === '' && WEIGHTED.has(node.op) ? [this.#layer(node)] : []))
  }

  plan(): Plan {
    for (const layer of this.#layers) {
      if (layer.reason !== undefined) continue
      this.#quantized.add(layer.node.inputs[0]!)
      // Gemm and MatMul have kernels that give floats: nothing is rounded that no integer layer reads.
      if (layer.node.op === 'Conv' || this.#wanted(layer.output)) this.#quantized.add(layer.output)
    }
    this.#spread()
    const groupOf = this.#share()
    return {
      layers: this.#layers,
      groups: [...new Set(groupOf.values())],
      groupOf,
      absorbed: new Map([...this.#clamps].filter(([name]) => this.#quantized.has(name)).map(([name, { node }]) => [name, node])),
      constants: this.#constants(),
    }
  }

  #layer(node: Node): LayerPlan {
    const weight = this.#constant(node.inputs[1])
    const add = weight && this.#addOf(node, weight)
    const bias = this.#constant(add ? add.node.inputs[add.input] : node.inputs[2])
    const axis = node.op === 'MatMul' ? (weight?.dims.length ?? 0) - 1 : node.op === 'Gemm' && !getInt(node, 'transB', 0) ? 1 : 0
    const output = this.#result(add?.node ?? node)
    return {
      node,
      output,
      weight,
      bias,
      ...(add ? { add } : {}),
      axis,
      reason: refusal(node, weight, bias, this.#constant) ?? excluded(node, this.#exclude),
    }
  }

  /** The Add that gives a MatMul its bias: ONNX Runtime makes a Gemm of the two, an integer one if the bias is stored as for Gemm. */
  #addOf(node: Node, weight: TensorData): LayerPlan['add'] {
    const output = node.outputs[0]!
    const readers = this.#usage.consumers.get(output) ?? []
    const [add] = readers
    if (node.op !== 'MatMul' || readers.length !== 1 || add?.op !== 'Add' || isOutput(this.#graph, output)) return undefined
    const input = add.inputs[0] === output ? 1 : 0
    const bias = this.#constant(add.inputs[input])
    return bias?.dtype === 'float32' && bias.dims.length === 1 && bias.size === weight.dims.at(-1)
      ? { node: add, input }
      : undefined
  }

  /** The value that a node's result becomes: what a Relu or Clip makes of it, when nothing else reads it. */
  #result(node: Node): string {
    const output = node.outputs[0]!
    const readers = this.#usage.consumers.get(output) ?? []
    const next = readers[0]?.outputs[0] ?? ''
    return readers.length === 1 && this.#clamps.has(next) && !isOutput(this.#graph, output) ? next : output
  }

  #candidate = (node: Node): boolean =>
    node.domain === '' && (CARRIES.has(node.op) || COMPUTES.has(node.op) || node.op === 'Concat')

  /** Whether some integer layer reads a value, directly or through operators that can be integer as well. */
  #wanted(value: string, depth = 0): boolean {
    return (this.#usage.consumers.get(value) ?? []).some((node) => {
      if (this.#layers.some((l) => l.node === node && l.reason === undefined && node.inputs[0] === value)) return true
      if (depth > 64 || this.#biasOfMatMul(node)) return false
      if (node.op === 'Add' || node.op.endsWith('AveragePool')) return this.#candidate(node)
      const output = node.outputs[0]!
      return (this.#candidate(node) || this.#clamps.has(output)) && this.#wanted(output, depth + 1)
    })
  }

  /** `MatMul + constant` is a layer with a bias: rounding between the two would only cost accuracy. */
  #biasOfMatMul(node: Node): boolean {
    if (node.op !== 'Add') return false
    const [a, b] = node.inputs
    const other = this.#constant(a) ? b : this.#constant(b) ? a : undefined
    return other !== undefined && this.#usage.producer.get(other)?.op === 'MatMul'
  }

  /** Takes in the operators all of whose activations are integers already. */
  #spread(): void {
    for (let size = -1; size !== this.#quantized.size;) {
      size = this.#quantized.size
      for (const node of this.#graph.nodes) {
        const output = node.outputs[0]!
        if (this.#clamps.has(output) && this.#quantized.has(node.inputs[0]!)) this.#quantized.add(output)
        if (!this.#candidate(node) || this.#biasOfMatMul(node) || this.#usesMore(node)) continue
        const data = this.#activations(node)
        if (data.length > 0 && data.every((name) => this.#quantized.has(name)))
          this.#quantized.add(COMPUTES.has(node.op) ? this.#result(node) : output)
      }
    }
  }

  /** The indices of a MaxPool have no integer kernel. */
  #usesMore(node: Node): boolean {
    return node.outputs.slice(1).some((name) => name && (this.#usage.consumers.has(name) || isOutput(this.#graph, name)))
  }

  #activations(node: Node): string[] {
    if (node.op === 'Concat') return node.inputs
    if (node.op === 'Add') return node.inputs.filter((name) => this.#constant(name)?.dtype !== 'float32')
    return [node.inputs[0]!]
  }

  /** Puts values that must have one scale into one group. */
  #share(): Map<string, Group> {
    const groupOf = new Map<string, Group>()
    const join = (a: Group, b: Group) => {
      if (a === b) return
      a.members.push(...b.members)
      a.sources.push(...b.sources)
      a.ceiling = Math.max(a.ceiling, b.ceiling)
      for (const name of b.members) groupOf.set(name, a)
    }
    const start = (name: string): Group => {
      const clamp = this.#clamps.get(name)
      return { members: [name], sources: [name], floor: clamp !== undefined, ceiling: clamp?.ceiling ?? Infinity }
    }
    for (const name of this.#quantized) groupOf.set(name, start(name))
    for (const node of this.#graph.nodes) {
      const output = node.outputs[0]!
      const own = groupOf.get(output)
      if (!own || !(CARRIES.has(node.op) || node.op === 'Concat')) continue
      const inputs = (node.op === 'Concat' ? node.inputs : [node.inputs[0]!]).map((name) => groupOf.get(name))
      // A value below 0 beside one that a Relu cut: with one scale the Relu would not disappear, so each keeps its own.
      if (inputs.some((g) => !g || g.floor !== inputs[0]!.floor)) continue
      own.sources = []
      own.floor = inputs[0]!.floor
      own.ceiling = inputs[0]!.ceiling
      for (const g of inputs) join(groupOf.get(output)!, groupOf.get(g!.members[0]!)!)
    }
    return groupOf
  }

  #constants(): Plan['constants'] {
    return this.#graph.nodes.flatMap((node) => {
      if (node.op !== 'Add' || node.domain !== '' || !this.#quantized.has(this.#result(node))) return []
      if (this.#activations(node).some((name) => !this.#quantized.has(name))) return []
      return node.inputs.flatMap((name, input) => {
        const value = this.#constant(name)
        return value ? [{ node, input, value }] : []
      })
    })
  }
}

/** Upper bound of a Relu or a Clip from 0; undefined for anything else. */
function ceilingOf(node: Node, constant: Lookup): number | undefined {
  if (node.domain !== '') return undefined
  if (node.op === 'Relu') return Infinity
  if (node.op !== 'Clip') return undefined
  const bound = (input: number, attribute: string, fallback: number): number | undefined =>
    node.inputs[input] ? constant(node.inputs[input])?.numbers()[0] : getFloat(node, attribute, fallback)
  const low = bound(1, 'min', -Infinity)
  const high = bound(2, 'max', Infinity)
  return low === 0 && high !== undefined && high > 0 ? high : undefined
}

/** Why a layer stays in float. */
function refusal(node: Node, weight: TensorData | undefined, bias: TensorData | undefined, constant: Lookup): string | undefined {
  if (node.op === 'ConvTranspose') return 'ONNX Runtime has no integer kernel for ConvTranspose'
  if (constant(node.inputs[0])) return 'its input is constant'
  if (!weight) return node.op === 'MatMul' ? 'both sides are activations' : 'its weight is not constant'
  if (weight.dtype !== 'float32') return `its weight is ${weight.dtype}`
  if (weight.size === 0) return 'its weight is empty'
  if (node.op === 'MatMul') return weight.dims.length === 2 ? undefined : `its weight has ${weight.dims.length} dimensions, not 2`
  if (node.inputs[2] && !bias) return 'its bias is not constant'
  if (node.op === 'Conv') return undefined
  if (getInt(node, 'transA', 0)) return 'its input is transposed'
  if (getFloat(node, 'alpha', 1) !== 1 || (bias && getFloat(node, 'beta', 1) !== 1)) return 'it scales its product or its bias'
  const width = weight.dims[getInt(node, 'transB', 0) ? 0 : 1]
  if (bias && bias.size !== 1 && !(bias.size === width && bias.dims.at(-1) === width)) return 'its bias differs between samples'
  return undefined
}
