import { UnsupportedError } from '../errors.ts'
import { getInt, isFloat, showNode, showShape, type Graph, type Model, type Node, type TensorData } from '../ir/index.ts'
import { constant, initialise, kaimingNormal, ones, xavierNormal, zeros, type Initialiser } from './initialisers.ts'

/** How a node's input starts out, or undefined where the stored value belongs to the architecture (a scale, a normalisation). */
function initialiserOf(node: Node, input: number, shape: readonly number[], last: boolean): Initialiser | undefined {
  switch (node.op) {
    case 'Conv':
    case 'ConvTranspose':
      return input === 1 ? kaimingNormal({ fan: 'out', groups: getInt(node, 'group', 1) }) : input === 2 ? zeros : undefined
    case 'Gemm':
      if (input === 2) return zeros
      return input === 1 ? matrix(getInt(node, 'transB', 0) === 1, last) : undefined
    case 'MatMul':
      return input === 1 && shape.length === 2 ? matrix(false, last) : undefined
    case 'BatchNormalization':
      return [undefined, ones, zeros, zeros, ones][input]
    case 'InstanceNormalization':
    case 'LayerNormalization':
    case 'GroupNormalization':
      return [undefined, ones, zeros][input]
    case 'PRelu':
      return input === 1 ? constant(0.25) : undefined
    default:
      return undefined
  }
}

/** Weight of a linear map: [out, in] where `transposed`, else [in, out]. */
const matrix = (transposed: boolean, last: boolean): Initialiser =>
  last ? xavierNormal() : kaimingNormal({ fan: transposed ? 'in' : 'out' })

/** Names of values that reach a graph output through linear maps' own outputs, biases and softmax only: the classifier's. */
function lastValues(graph: Graph): Set<string> {
  const last = new Set(graph.outputs.map((v) => v.name))
  for (const node of [...graph.nodes].reverse())
    if (['Softmax', 'LogSoftmax', 'Add', 'Identity'].includes(node.op) && node.outputs.some((y) => last.has(y)))
      for (const x of node.inputs) if (!graph.initializers.has(x)) last.add(x)
  return last
}

/**
 * The same model with new first values for its weights, drawn from the seed and each initializer's name: Kaiming for kernels and hidden
 * matrices, Xavier for the last one, zeros and ones for biases and norms. A bias that is added by its own node is zeroed too.
 * Constants of other kinds (a scale, a normalisation) stay. Returns a new model; the given one is not changed.
 * Errors: UnsupportedError for a matrix or kernel whose use is not known, rather than keeping its trained values.
 */
export function reinitialise(model: Model, seed: number): Model {
  const { graph } = model
  const last = lastValues(graph)
  const linear = new Set(graph.nodes.filter((n) => ['MatMul', 'Conv', 'Gemm'].includes(n.op)).flatMap((n) => n.outputs))
  const initializers = new Map<string, TensorData>(graph.initializers)
  for (const node of graph.nodes)
    node.inputs.forEach((name, i) => {
      const data = graph.initializers.get(name)
      if (!data || !isFloat(data.dtype)) return
      const separateBias =
        node.op === 'Add' && node.inputs.some((x) => linear.has(x)) && data.dims.filter((d) => d !== 1).length <= 1
      const init = separateBias
        ? zeros
        : initialiserOf(
            node,
            i,
            data.dims,
            node.outputs.some((y) => last.has(y)),
          )
      if (!init && data.dims.filter((d) => d !== 1).length > 1)
        throw new UnsupportedError(`no fresh weights for '${name}' ${showShape(data.dims)}, used by ${node.op}`, {
          where: `node ${showNode(node)}`,
          hint: 'start from the stored weights instead, or take a template as student',
        })
      if (init) initializers.set(name, initialise(seed, name, data.dims, init).as(data.dtype))
    })
  return { ...model, graph: { ...graph, initializers } }
}
