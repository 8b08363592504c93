import { floatAttr, makeNode, sortNodes, usageOf, type Graph, type Node } from '../ir/index.ts'
import { freshName, isOutput } from '../passes/index.ts'

/** What ONNX Runtime rounds by itself when it finds it between integers. */
const ROUNDED = new Set(['Conv', 'ConvTranspose', 'Gemm'])

/**
 * Keeps layers with float weights in float. ONNX Runtime 1.30 gives 8-bit weights, one scale for all channels, to every Conv, ConvTranspose and Gemm that
 * reads a DequantizeLinear and whose only reader is a QuantizeLinear, a Relu or Clip between them notwithstanding (its WeightBiasQuantization): a
 * layer that was excluded because it cannot be rounded would be rounded after all. A LeakyRelu of slope 1 behind it, which changes no number and
 * becomes part of the float kernel, keeps it from that. In place.
 * @returns how many layers were kept so
 */
export function keepFloat(graph: Graph): number {
  const { producer, consumers } = usageOf(graph)
  const endsInIntegers = (node: Node): boolean => {
    let value = node.outputs[0]!
    for (;;) {
      const readers = consumers.get(value) ?? []
      const [next] = readers
      if (readers.length !== 1 || !next || isOutput(graph, value)) return false
      if (next.op === 'QuantizeLinear') return true
      if (next.op !== 'Relu' && next.op !== 'Clip') return false
      value = next.outputs[0]!
    }
  }
  const found = graph.nodes.filter(
    (n) =>
      ROUNDED.has(n.op) &&
      producer.get(n.inputs[0]!)?.op === 'DequantizeLinear' &&
      producer.get(n.inputs[1]!)?.op !== 'DequantizeLinear' &&
      endsInIntegers(n),
  )
  for (const node of found) {
    const output = node.outputs[0]!
    const before = freshName(graph, `${output}/kept`)
    node.outputs = [before]
    graph.nodes.push(
      makeNode('LeakyRelu', [before], [output], { alpha: floatAttr(1) }, { name: freshName(graph, `${output}/in float`) }),
    )
  }
  if (found.length > 0) sortNodes(graph)
  return found.length
}
