import { FIXED, isFloat, subgraphs, type Graph, type Model, type Node, type TensorData } from '../ir/index.ts'
import { isSinusoidal } from './tables.ts'

/** What each float initializer of a trainable model is. */
export interface Roles {
  /** Trained by gradients, in graph order. */
  parameters: string[]
  /** Running statistics of batch norms: moved by the forward pass, never by gradients. */
  statistics: string[]
}

/** Inputs that hold parameters, by operator. Other float inputs count when they are no scalars. */
const PARAMETER_INPUTS: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [0, 1, 2],
  MatMul: [0, 1],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  GroupNormalization: [1, 2],
  PRelu: [1],
  Gather: [0],
  LSTM: [1, 2, 3, 7],
  GRU: [1, 2, 3],
  RNN: [1, 2, 3],
}

/** Operators whose constants are settings, not weights. */
const SETTINGS = new Set([
  'Clip',
  'Resize',
  'Upsample',
  'Pad',
  'Pow',
  'OneHot',
  'QuantizeLinear',
  'DequantizeLinear',
  'Constant',
  'Dropout',
  'RotaryEmbedding',
  'STFT',
])

/** Operators that pass an input of the model on, as a whole or scaled and shifted by a constant. */
const PREPARING = new Set([
  'Identity',
  'Cast',
  'Reshape',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Flatten',
  'Add',
  'Sub',
  'Mul',
  'Div',
])

/** No weight is that large; scores are masked with such numbers. */
const MASK = 1e8

const known = new WeakMap<TensorData, boolean>()

/** Numbers that were computed, not learned: masks of scores, tables of sines and cosines. */
function isComputed(data: TensorData): boolean {
  const found = known.get(data) ?? (isSinusoidal(data) || data.numbers().some((v) => !(Math.abs(v) < MASK)))
  known.set(data, found)
  return found
}

/** Constants that scale or shift what the model is fed before anything else happens: means and deviations of pixels, for instance. */
function preparing(graph: Graph): Set<Node> {
  const fed = new Set(graph.inputs.flatMap((v) => (graph.initializers.has(v.name) ? [] : [v.name])))
  const found = new Set<Node>()
  for (const node of graph.nodes) {
    const others = node.inputs.filter((name) => name && !fed.has(name))
    if (!PREPARING.has(node.op) || others.length === node.inputs.length || !others.every((n) => graph.initializers.has(n))) continue
    found.add(node)
    for (const y of node.outputs) fed.add(y)
  }
  return found
}

/**
 * Tells parameters, statistics and constants apart; weights that loops and branches take from the graph around them count as well. Constants
 * are what scales the model's input, masks scores, or holds sines and cosines. Errors: none; a model without parameters gives an empty list.
 */
export function rolesOf(graph: Graph): Roles {
  const parameters = new Set<string>()
  const statistics = new Set<string>()
  const prepares = preparing(graph)
  const visit = ({ nodes }: Graph): void => {
    for (const node of nodes) {
      subgraphs(node).forEach(visit)
      node.inputs.forEach((name, i) => {
        const data = graph.initializers.get(name)
        if (!data || !isFloat(data.dtype) || name.startsWith(FIXED)) return
        if (node.op === 'BatchNormalization' && i >= 3) statistics.add(name)
        else if (prepares.has(node)) return
        else if (PARAMETER_INPUTS[node.op]?.includes(i)) parameters.add(name)
        else if (!PARAMETER_INPUTS[node.op] && !SETTINGS.has(node.op) && !subgraphs(node).length && data.size > 1)
          parameters.add(name)
      })
    }
  }
  visit(graph)
  for (const name of statistics) parameters.delete(name)
  const learned = [...parameters].filter((name) => !isComputed(graph.initializers.get(name)!))
  return { parameters: learned, statistics: [...statistics] }
}

/** The model with other values in some of its initializers; everything else is shared with the original. */
export function withWeights(model: Model, weights: ReadonlyMap<string, TensorData>): Model {
  const initializers = new Map(model.graph.initializers)
  for (const [name, data] of weights) if (initializers.has(name)) initializers.set(name, data)
  return { ...model, graph: { ...model.graph, initializers } }
}
