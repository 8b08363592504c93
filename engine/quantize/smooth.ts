import { getInt, TensorData, usageOf, type Graph, type Model, type Node, type Usage } from '../ir/index.ts'
import { isOutput } from '../passes/index.ts'
import { profileChannels } from './biasCorrection.ts'
import type { RunOptions, Samples } from './calibrate.ts'

/** Smallest factor and its inverse: more would push what was an outlier of the activations into float32's own limits. */
const LEAST = 1e-4

/**
 * SmoothQuant: columns of activations with large values are divided, and the rows of the weights that read them multiplied, by
 * s_j = max|x_j|^alpha / max|w_j|^(1 - alpha), so that both sides are equally hard to round. The division goes into the layer norm or linear layer
 * before; where something else is in between, a layer stays as it is. The float function stays the same. In place.
 * Source: Xiao et al. 2022, arXiv:2211.10438, equations 3 and 4.
 * @param alpha share of the difficulty that goes to the weights, in [0, 1]; the paper takes 0.5
 * @returns the values that were divided
 */
export async function smoothActivations(model: Model, alpha: number, samples: Samples, o: RunOptions = {}): Promise<string[]> {
  const { graph } = model
  const usage = usageOf(graph)
  const groups = new Map<string, Node[]>()
  for (const node of graph.nodes)
    if (linear(graph, node)) groups.set(node.inputs[0]!, [...(groups.get(node.inputs[0]!) ?? []), node])
  for (const [value, readers] of groups) {
    // Whoever else reads the value would see it divided.
    const all = usage.consumers.get(value) ?? []
    const own = readers.every((n) => (usage.consumers.get(n.inputs[1]!) ?? []).length === 1)
    if (all.length !== readers.length || !own || isOutput(graph, value) || !divide(graph, usage, value, undefined))
      groups.delete(value)
  }
  if (!groups.size) return []
  const profiles = await profileChannels(model, new Map([...groups.keys()].map((v) => [v, -1])), samples, o)
  for (const [value, readers] of groups) {
    const { largest } = profiles.get(value)!
    const rows = new Float64Array(largest.length)
    for (const node of readers)
      eachWeight(graph, node, (w, k) => {
        rows[k] = Math.max(rows[k]!, Math.abs(w))
        return w
      })
    const s = largest.map((x, k) => {
      if (!(x > 0) || !(rows[k]! > 0)) return 1
      return Math.min(1 / LEAST, Math.max(LEAST, x ** alpha / rows[k]! ** (1 - alpha)))
    })
    divide(graph, usage, value, s)
    for (const node of readers) eachWeight(graph, node, (w, k) => w * s[k]!)
  }
  return [...groups.keys()]
}

function linear(graph: Graph, node: Node): boolean {
  if (node.domain !== '' || (node.op !== 'MatMul' && node.op !== 'Gemm')) return false
  const w = graph.initializers.get(node.inputs[1]!)
  return w?.dtype === 'float32' && w.dims.length === 2 && !(node.op === 'Gemm' && getInt(node, 'transA', 0))
}

/** Calls `change` with each number of a linear layer's weight and the input column it multiplies; what it returns takes its place. */
function eachWeight(graph: Graph, node: Node, change: (w: number, column: number) => number): void {
  const name = node.inputs[1]!
  const w = graph.initializers.get(name)!
  const columns = w.dims[1]!
  const transposed = node.op === 'Gemm' && getInt(node, 'transB', 0) === 1
  const values = Float32Array.from(w.numbers(), (v, i) => change(v, transposed ? i % columns : Math.floor(i / columns)))
  graph.initializers.set(name, TensorData.of('float32', w.dims, values))
}

/** Operators through which a positive factor of each column passes. */
const PASSES = new Set(['Relu', 'LeakyRelu', 'Identity'])

/** Divides the last axis of a value where it is made; false where that cannot be done. Without `s` nothing is changed. */
function divide(graph: Graph, usage: Usage, value: string, s: Float64Array | undefined): boolean {
  const node = usage.producer.get(value)
  if (!node || node.domain !== '') return false
  const readers = usage.consumers.get(value) ?? []
  const single = (name: string | undefined): TensorData | undefined => {
    const data = name ? graph.initializers.get(name) : undefined
    return data?.dtype === 'float32' && (usage.consumers.get(name!) ?? []).length === 1 ? data : undefined
  }
  const scaled = (name: string, data: TensorData, by: (i: number) => number) => {
    if (s)
      graph.initializers.set(
        name,
        TensorData.of(
          'float32',
          data.dims,
          Float32Array.from(data.numbers(), (v, i) => v / s[by(i)]!),
        ),
      )
    return true
  }
  const vector = (name: string | undefined): boolean => {
    const data = single(name)
    if (!data || data.size !== data.dims.at(-1)) return false
    return scaled(name!, data, (i) => i)
  }
  const alone = (name: string) => (usage.consumers.get(name) ?? []).length === 1 && !isOutput(graph, name)
  if (readers.length === 0) return false
  switch (node.op) {
    case 'LayerNormalization':
      if (getInt(node, 'axis', -1) !== -1 || node.outputs.length > 1) return false
      if (!single(node.inputs[1]) || (node.inputs[2] && !single(node.inputs[2]))) return false
      return vector(node.inputs[1]) && (!node.inputs[2] || vector(node.inputs[2]))
    case 'Add':
    case 'Mul': {
      const side = single(node.inputs[1]) ? 1 : single(node.inputs[0]) ? 0 : undefined
      if (side === undefined) return false
      if (node.op === 'Mul') return vector(node.inputs[side])
      const other = node.inputs[1 - side]!
      const data = single(node.inputs[side])!
      if (data.size !== data.dims.at(-1) || !alone(other) || !divide(graph, usage, other, undefined)) return false
      return divide(graph, usage, other, s) && vector(node.inputs[side])
    }
    case 'MatMul':
    case 'Gemm': {
      const w = single(node.inputs[1])
      if (!w || !linear(graph, node)) return false
      const bias = node.op === 'Gemm' && node.inputs[2] ? single(node.inputs[2]) : undefined
      if (node.op === 'Gemm' && node.inputs[2] && (!bias || bias.size !== bias.dims.at(-1) || bias.size === 1)) return false
      const columns = w.dims[1]!
      const transposed = node.op === 'Gemm' && getInt(node, 'transB', 0) === 1
      return (
        scaled(node.inputs[1]!, w, (i) => (transposed ? Math.floor(i / columns) : i % columns)) && (!bias || vector(node.inputs[2]))
      )
    }
    default:
      return PASSES.has(node.op) && alone(node.inputs[0]!) && divide(graph, usage, node.inputs[0]!, s)
  }
}
