import { makeNode, sortNodes, TensorData, usageOf, type Model } from '../ir/index.ts'
import { upgradeOpset } from '../onnx/index.ts'
import { cloneModel, freshName } from '../passes/index.ts'
import { covered, type Grid } from './scheme.ts'

/** First opset and file version with 4-bit integers. */
const PACKED_OPSET = 21
const PACKED_VERSION = 10

/**
 * What fewer than 8 bits need in a file that is written with 8-bit types. Values are clipped to the narrow grid's range before they are rounded, and weights of
 * up to 4 bits are packed two to a byte. ONNX Runtime computes such a file in integers of 8 bits or in floats: it is smaller, not faster.
 * @returns the model, and what could not be packed, as a sentence
 */
export function narrow(model: Model, grids: { activations: Grid; weights: Grid }): { model: Model; unpacked?: string } {
  const result = clipped(model, grids.activations)
  if (grids.weights.high > 7) return { model: result }
  const opset = result.opsets.get('') ?? 1
  if (opset >= PACKED_OPSET) return { model: packed(result) }
  const { model: raised, notUpgraded } = upgradeOpset(result, PACKED_OPSET)
  const [first] = notUpgraded
  if (first)
    return {
      model: result,
      unpacked: `weights take a byte each: ${first.op} cannot be brought to opset ${PACKED_OPSET}: ${first.reason}`,
    }
  return { model: packed(raised) }
}

/** A QuantizeLinear to 8 bits saturates at its own type's ends; a Clip before it makes the ends those of the narrow grid. */
function clipped(model: Model, grid: Grid): Model {
  const result = cloneModel(model)
  const { graph } = result
  if (grid.low === 0 && grid.high === 255) return result
  for (const node of graph.nodes.filter((n) => n.op === 'QuantizeLinear')) {
    const [x, scale, zero] = node.inputs as [string, string, string]
    const read = (name: string) => graph.initializers.get(name)!.numbers()[0]!
    const ends = covered({ scale: read(scale), zero: read(zero) }, grid)
    const bounds = ends.map((value, i) => {
      const name = freshName(graph, `${node.outputs[0]}/${i === 0 ? 'least' : 'most'}`)
      graph.initializers.set(name, TensorData.scalar('float32', value))
      return name
    })
    const inside = freshName(graph, `${node.outputs[0]}/clipped`)
    graph.nodes.push(makeNode('Clip', [x, ...bounds], [inside], {}, { name: inside }))
    node.inputs[0] = inside
  }
  sortNodes(graph)
  return result
}

/** Weights of int8 that a DequantizeLinear alone reads, as int4. */
function packed(model: Model): Model {
  const result = cloneModel(model)
  const { graph } = result
  result.irVersion = Math.max(result.irVersion, PACKED_VERSION)
  const { consumers } = usageOf(graph)
  const shrink = (name: string): void => {
    const wide = graph.initializers.get(name)!
    if (wide.dtype !== 'int8') return
    const values = wide.numbers()
    const bytes = new Uint8Array(Math.ceil(values.length / 2))
    for (let i = 0; i < values.length; i++) bytes[i >> 1]! |= (values[i]! & 15) << (4 * (i & 1))
    graph.initializers.set(name, new TensorData('int4', wide.dims, () => bytes))
  }
  for (const node of graph.nodes) {
    if (node.op !== 'DequantizeLinear') continue
    const [values, , zero] = node.inputs as [string, string, string]
    if (graph.initializers.get(values)?.dtype !== 'int8' || consumers.get(values)!.length > 1) continue
    shrink(values)
    shrink(zero)
  }
  return result
}
