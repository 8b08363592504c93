import { isFloat, subgraphs, type Graph, type Node, type ValueInfo } from '../ir/index.ts'

/**
 * The part of a graph that computes float tensors: outputs that are something else (a label, a map of classes) are replaced by what they are
 * made from, as far back as needed.
 */
export function tensorPath(graph: Graph): Graph {
  const producer = new Map(graph.nodes.flatMap((n) => n.outputs.map((y) => [y, n] as const)))
  const kept = new Map<string, ValueInfo>()
  const seen = new Set<string>()
  const follow = (value: ValueInfo): void => {
    if (seen.has(value.name)) return
    seen.add(value.name)
    const node = producer.get(value.name)
    const opaque = node !== undefined && (node.domain.startsWith('ai.onnx.ml') || node.op === 'ArgMax' || node.op === 'ArgMin')
    const { type } = value
    const numbers = type === undefined || (type.kind === 'tensor' && isFloat(type.dtype))
    if (!opaque && numbers) kept.set(value.name, value)
    else for (const x of node?.inputs ?? []) if (x && producer.has(x)) follow(graph.values.get(x) ?? { name: x, type: undefined })
  }
  graph.outputs.forEach(follow)
  if (kept.size === graph.outputs.length && graph.outputs.every((v) => kept.has(v.name))) return graph
  const needed = new Set<Node>()
  const stack = [...kept.keys()]
  while (stack.length) {
    const node = producer.get(stack.pop()!)
    if (!node || needed.has(node)) continue
    needed.add(node)
    stack.push(...node.inputs, ...subgraphs(node).flatMap((g) => g.nodes.flatMap((n) => n.inputs)))
  }
  return { ...graph, origin: undefined, outputs: [...kept.values()], nodes: graph.nodes.filter((n) => needed.has(n)) }
}
