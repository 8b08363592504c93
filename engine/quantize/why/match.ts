import { getInt, usageOf, type Graph, type Model, type Node } from '../../ir/index.ts'
import { constantsOf } from '../../passes/index.ts'
import { IntegerReader, realsOf, type IntegerLayer, type IntegerRange } from '../integers.ts'

/** An integer layer and the float layer that it came from. */
export interface Pair {
  name: string
  float: Node
  integer: IntegerLayer
  /** Weights, row-major, and what the integers make of them. */
  weight: Float64Array
  rounded: Float32Array
  dims: readonly number[]
  /** Axes of the weight: one number for each output channel, and for each input channel (within its group). */
  outputAxis: number
  inputAxis: number
}

/** A rounded activation and the float value that it stands for. */
export interface RoundedValue {
  /** Name in the float model. */
  value: string
  /** Name of the rounded reals in the integer model. */
  rounded: string
  range: IntegerRange
}

/**
 * Finds the float layer of each integer layer: by name, and where names differ by order among those of equal operator and shape. Works for the
 * QDQ files of other programs as well.
 */
export function matchLayers(float: Model, integer: Model): Pair[] {
  const constant = constantsOf(float.graph)
  const layers = new IntegerReader(integer.graph).layers()
  const candidates = float.graph.nodes.filter((n) => n.domain === '' && ['Conv', 'Gemm', 'MatMul'].includes(n.op))
  const taken = new Set<Node>()
  const fits = (node: Node, layer: IntegerLayer) => {
    const weight = constant(node.inputs[1])
    return node.op === layer.node.op && weight?.dims.join() === layer.weight.levels.dims.join() && !taken.has(node)
  }
  const found = new Map<IntegerLayer, Node>()
  const take = (layer: IntegerLayer, node: Node | undefined) => {
    if (!node || found.has(layer)) return
    taken.add(node)
    found.set(layer, node)
  }
  for (const layer of layers)
    take(
      layer,
      candidates.find((n) => n.name !== '' && n.name === layer.node.name && fits(n, layer)),
    )
  for (const layer of layers) if (!found.has(layer)) take(layer, candidates.find((n) => fits(n, layer))) // prettier-ignore
  return layers.flatMap((layer) => {
    const node = found.get(layer)
    if (!node) return []
    const weight = constant(node.inputs[1])!
    const conv = node.op === 'Conv'
    const transposed = node.op === 'Gemm' && getInt(node, 'transB', 0) === 1
    return [
      {
        name: node.name || node.outputs[0]!,
        float: node,
        integer: layer,
        weight: Float64Array.from(weight.numbers()),
        rounded: realsOf(layer.weight),
        dims: weight.dims,
        outputAxis: conv || transposed ? 0 : 1,
        inputAxis: conv || transposed ? 1 : 0,
      },
    ]
  })
}

/** Rounded activations whose float value is known. */
export function matchValues(float: Model, integer: Model): RoundedValue[] {
  const known = namesIn(float.graph)
  const reader = new IntegerReader(integer.graph)
  const usage = usageOf(float.graph)
  return reader.activations().flatMap((range) => {
    const readers = reader.usage.consumers.get(range.integers) ?? []
    const rounded = readers.filter((n) => n.op === 'DequantizeLinear').map((n) => n.outputs[0]!)
    const own =
      rounded.find((name) => known.has(name)) ?? (range.from !== undefined && known.has(range.from) ? range.from : undefined)
    if (own === undefined || rounded.length === 0) return []
    // Where the integers' lower end stands for a Relu, its result is what they stand for.
    const next = usage.consumers.get(own) ?? []
    const clamp = range.min >= 0 && next.length === 1 && (next[0]!.op === 'Relu' || next[0]!.op === 'Clip') ? next[0] : undefined
    return [{ value: clamp?.outputs[0] ?? own, rounded: rounded[0]!, range }]
  })
}

const namesIn = (graph: Graph): Set<string> =>
  new Set([...graph.inputs.map((v) => v.name), ...graph.nodes.flatMap((n) => n.outputs)])

/** Sums of squares of a weight and of its rounding error, and its largest size, for each index along an axis. */
export function alongAxis(
  { weight, rounded, dims }: Pair,
  axis: number,
): { signal: Float64Array; noise: Float64Array; peak: Float64Array } {
  const n = dims[axis]!
  const inner = dims.slice(axis + 1).reduce((a, d) => a * d, 1)
  const [signal, noise, peak] = [new Float64Array(n), new Float64Array(n), new Float64Array(n)]
  for (let i = 0; i < weight.length; i++) {
    const c = Math.floor(i / inner) % n
    signal[c]! += weight[i]! ** 2
    noise[c]! += (weight[i]! - rounded[i]!) ** 2
    peak[c] = Math.max(peak[c]!, Math.abs(weight[i]!))
  }
  return { signal, noise, peak }
}
