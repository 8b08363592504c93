import { getInt, sizeOf, type Graph, type Node, type TensorData } from '../ir/index.ts'
import { constantsOf } from '../passes/index.ts'
import type { Matrix } from './rounder.ts'

/** A layer whose weight is stored in fewer bits, or the reason why not. */
export interface WeightLayer {
  node: Node
  /** Which input the weight is. */
  input: number
  weight: TensorData | undefined
  /** The weight is stored with its rows and columns swapped (x @ W). */
  transposed: boolean
  reason: string | undefined
}

const INPUT_OF: Readonly<Record<string, number>> = { Conv: 1, ConvTranspose: 1, Gemm: 1, MatMul: 1 }
/** Fewer numbers than this in a weight save nothing: scales and nodes take the place. */
const LEAST = 64

/** The layers with weights, in the graph's order. */
export function weightLayers(graph: Graph): WeightLayer[] {
  const constant = constantsOf(graph)
  return graph.nodes.flatMap((node): WeightLayer[] => {
    const input = node.domain === '' ? INPUT_OF[node.op] : undefined
    if (input === undefined) return []
    const weight = constant(node.inputs[input])
    const transposed = node.op === 'MatMul' || (node.op === 'Gemm' && !getInt(node, 'transB', 0))
    return [{ node, input, weight, transposed, reason: refusal(node, weight) }]
  })
}

function refusal(node: Node, weight: TensorData | undefined): string | undefined {
  if (!weight) return node.op === 'MatMul' ? 'both sides are activations' : 'its weight is not constant'
  if (weight.dtype !== 'float32' && weight.dtype !== 'float16') return `its weight is ${weight.dtype}`
  if (weight.size < LEAST) return `its weight has ${weight.size} numbers only`
  if (node.op === 'MatMul' && weight.dims.length !== 2) return `its weight has ${weight.dims.length} dimensions, not 2`
  return undefined
}

/** The weight with a row for each output channel. ConvTranspose keeps its own order: a row for each input channel. */
export function matrixOf({ weight, transposed }: WeightLayer): Matrix {
  const values = Float64Array.from(weight!.numbers())
  const [first, ...rest] = weight!.dims as [number, ...number[]]
  if (!transposed) return { rows: first, columns: sizeOf(rest), values }
  const [k, n] = [first, sizeOf(rest)]
  const out = new Float64Array(values.length)
  for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) out[j * k + i] = values[i * n + j]!
  return { rows: n, columns: k, values: out }
}
