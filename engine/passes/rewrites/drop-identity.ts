import type { Node } from '../../ir/index.ts'
import { Links } from '../links.ts'
import { definePass } from '../rewrite.ts'

export default definePass({
  id: 'drop-identity',
  why: 'Identity and Dropout do nothing at inference, but they stand between nodes that could be folded or fused.',
  run(graph) {
    const report = { changed: 0, refused: [] as { node: string; reason: string }[] }
    const links = new Links(graph)
    for (const node of graph.nodes) {
      if (node.domain !== '' || (node.op !== 'Identity' && node.op !== 'Dropout')) continue
      const reason = node.op === 'Dropout' ? dropoutAtWork(links, node) : undefined
      const problem = reason ?? bypass(links, node)
      if (problem === undefined) report.changed++
      else report.refused.push({ node: node.name, reason: problem })
    }
    links.finish()
    return report
  },
})

/** Why a Dropout is more than the identity, or undefined. */
function dropoutAtWork(links: Links, node: Node): string | undefined {
  const mask = node.outputs[1]
  if (mask && (links.isOutput(mask) || links.readers(mask).length > 0)) return 'its mask is used'
  const training = node.inputs[2]
  if (training && links.constant(training)?.numbers()[0] !== 0) return 'it may run in training mode'
  return undefined
}

/** Takes a node out, its first output becoming its first input. Gives the reason where the names do not allow it. */
function bypass(links: Links, node: Node): string | undefined {
  const from = node.inputs[0]!
  const to = node.outputs[0]!
  if (links.isOutput(to)) {
    // The output keeps its name: whoever makes the input makes the output instead.
    const producer = links.producer(from)
    if (!producer || links.isOutput(from)) return 'a graph output would become another name for an input, a weight or an output'
    links.drop(node)
    links.rename(producer, from, to)
    links.redirect(from, to)
  } else {
    links.drop(node)
    links.redirect(to, from)
    links.graph.values.delete(to)
  }
  return undefined
}
