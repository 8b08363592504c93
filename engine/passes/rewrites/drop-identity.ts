import { usageOf, type Graph, type Node } from '../../ir/index.ts'
import { constantsOf, definePass, isOutput, redirect } from '../rewrite.ts'

export default definePass({
  id: 'drop-identity',
  why: 'Identity and Dropout do nothing at inference, but they stand between nodes that could be folded or fused.',
  run(graph) {
    const report = { changed: 0, refused: [] as { node: string; reason: string }[] }
    const constant = constantsOf(graph)
    for (const node of [...graph.nodes]) {
      if (node.domain !== '' || (node.op !== 'Identity' && node.op !== 'Dropout')) continue
      const reason = node.op === 'Dropout' ? dropoutAtWork(graph, node, constant) : undefined
      const problem = reason ?? bypass(graph, node)
      if (problem === undefined) report.changed++
      else report.refused.push({ node: node.name, reason: problem })
    }
    return report
  },
})

/** Why a Dropout is more than the identity, or undefined. */
function dropoutAtWork(graph: Graph, node: Node, constant: ReturnType<typeof constantsOf>): string | undefined {
  const mask = node.outputs[1]
  if (mask && (isOutput(graph, mask) || usageOf(graph).consumers.has(mask))) return 'its mask is used'
  const training = node.inputs[2]
  if (training && constant(training)?.numbers()[0] !== 0) return 'it may run in training mode'
  return undefined
}

/** Takes a node out, its first output becoming its first input. Gives the reason where the names do not allow it. */
function bypass(graph: Graph, node: Node): string | undefined {
  const from = node.inputs[0]!
  const to = node.outputs[0]!
  if (isOutput(graph, to)) {
    // The output keeps its name: whoever makes the input makes the output instead.
    const producer = graph.nodes.find((n) => n.outputs.includes(from))
    if (!producer || isOutput(graph, from)) return 'a graph output would become another name for an input, a weight or an output'
    producer.outputs = producer.outputs.map((name) => (name === from ? to : name))
    redirect(graph, from, to)
    graph.values.delete(from)
  } else {
    redirect(graph, to, from)
    graph.values.delete(to)
  }
  graph.nodes = graph.nodes.filter((n) => n !== node)
  return undefined
}
