import { getInt, sizeOf, TensorData, usageOf, type Graph, type Node } from '../ir/index.ts'
import { isOutput } from '../passes/index.ts'

/** Two layers with nothing between them that a positive factor could not pass. */
export interface Pair {
  first: Node
  second: Node
  channels: number
}

/** f(s x) = s f(x) for s > 0, channel by channel. */
const PASSES = new Set(['Relu', 'LeakyRelu', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'Identity'])
const ROUNDS = 40
/** Factors closer to 1 than this change nothing worth another round. */
const SETTLED = 1e-3

/**
 * Cross-layer equalization: where a layer's channels differ in range, the large ones are divided and the next layer's weights multiplied, so that
 * both use their integers equally well (s_i = sqrt(r1_i r2_i) / r2_i). The float function stays the same. In place.
 * Source: Nagel et al. 2019, arXiv:1906.04721, section 4.1, equations 8 to 11.
 * @returns how many pairs of layers were equalized
 */
export function equalize(graph: Graph): number {
  const pairs = findPairs(graph)
  for (let round = 0; round < ROUNDS; round++) {
    const moved = pairs.map((pair) => balance(graph, pair))
    if (Math.max(0, ...moved) < SETTLED) break
  }
  return pairs.length
}

/** All such pairs of convolutions whose weights are their own. */
export function findPairs(graph: Graph): Pair[] {
  const usage = usageOf(graph)
  const readersOf = (name: string) => usage.consumers.get(name) ?? []
  const own = (name: string | undefined): TensorData | undefined => {
    const data = name ? graph.initializers.get(name) : undefined
    // A weight that two layers share cannot be changed for one of them.
    return data?.dtype === 'float32' && readersOf(name!).length === 1 ? data : undefined
  }
  return graph.nodes.flatMap((first): Pair[] => {
    const weight = first.domain === '' && first.op === 'Conv' ? own(first.inputs[1]) : undefined
    if (!weight || (first.inputs[2] && !own(first.inputs[2]))) return []
    let value = first.outputs[0]!
    for (let hops = 0; hops < 8; hops++) {
      const [next, ...others] = readersOf(value)
      if (!next || others.length > 0 || isOutput(graph, value) || next.domain !== '') return []
      if (next.op === 'Conv' && next.inputs[0] === value) {
        const w = own(next.inputs[1])
        const group = getInt(next, 'group', 1)
        const channels = weight.dims[0]!
        const fits = w && (group === 1 ? w.dims[1] === channels : group === channels && w.dims[1] === 1)
        return fits ? [{ first, second: next, channels }] : []
      }
      if (!PASSES.has(next.op) || next.outputs.slice(1).some(Boolean)) return []
      value = next.outputs[0]!
    }
    return []
  })
}

const weightsOf = (graph: Graph, { first, second }: Pair): [TensorData, TensorData] => {
  const get = (name: string) => graph.initializers.get(name)!
  return [get(first.inputs[1]!), get(second.inputs[1]!)]
}

/** The channel between the two layers that each number of the second weight reads. */
function channelIn(second: Node, w: TensorData, channels: number): (i: number) => number {
  const depthwise = getInt(second, 'group', 1) > 1
  const taps = sizeOf(w.dims.slice(2))
  return (i) => (depthwise ? Math.floor(i / taps) : Math.floor(i / taps) % channels)
}

/** @returns the largest |log s| of the channels */
function balance(graph: Graph, pair: Pair): number {
  const { second, channels } = pair
  const [w1, w2] = weightsOf(graph, pair)
  const row = sizeOf(w1.dims.slice(1))
  const channelOf = channelIn(second, w2, channels)
  const [r1, r2] = [new Float64Array(channels), new Float64Array(channels)]
  const widen = (r: Float64Array, c: number, v: number) => (r[c] = Math.max(r[c]!, Math.abs(v)))
  Float32Array.from(w1.numbers()).forEach((v, i) => widen(r1, Math.floor(i / row), v))
  Float32Array.from(w2.numbers()).forEach((v, i) => widen(r2, channelOf(i), v))
  // A channel without weights on one side has no range to balance.
  const s = Float64Array.from(r1, (r, c) => (r > 0 && r2[c]! > 0 ? Math.sqrt(r / r2[c]!) : 1))
  divideChannels(graph, pair, s)
  return s.reduce((m, v) => Math.max(m, Math.abs(Math.log(v))), 0)
}

/** Divides the channels between two layers by positive factors; the float function stays the same. In place. */
export function divideChannels(graph: Graph, pair: Pair, s: Float64Array): void {
  const { first, second, channels } = pair
  const [w1, w2] = weightsOf(graph, pair)
  const row = sizeOf(w1.dims.slice(1))
  const channelOf = channelIn(second, w2, channels)
  const put = (name: string, old: TensorData, by: (v: number, i: number) => number) =>
    graph.initializers.set(name, TensorData.of('float32', old.dims, Float32Array.from(old.numbers(), by)))
  put(first.inputs[1]!, w1, (v, i) => v / s[Math.floor(i / row)]!)
  put(second.inputs[1]!, w2, (v, i) => v * s[channelOf(i)]!)
  const bias = first.inputs[2]
  if (bias) put(bias, graph.initializers.get(bias)!, (v, c) => v / s[c]!)
}
