import { readsOf, type Node } from '../../ir/index.ts'
import { definePass } from '../rewrite.ts'

export default definePass({
  id: 'eliminate-dead',
  why: 'Nodes and weights that no output depends on cost space, and time in runtimes that keep them.',
  run(graph) {
    const producer = new Map<string, Node>()
    for (const node of graph.nodes) for (const name of node.outputs) if (name) producer.set(name, node)
    const live = new Set<Node>()
    const read = new Set(graph.outputs.map((v) => v.name))
    const open = [...read]
    while (open.length > 0) {
      const node = producer.get(open.pop()!)
      if (!node || live.has(node)) continue
      live.add(node)
      for (const name of readsOf(node)) {
        read.add(name)
        open.push(name)
      }
    }
    const before = graph.nodes.length + graph.initializers.size
    graph.nodes = graph.nodes.filter((node) => live.has(node))
    const dropped = new Set([...graph.initializers.keys()].filter((name) => !read.has(name)))
    for (const name of dropped) graph.initializers.delete(name)
    // A weight that is listed as an input as well would become an input without a default.
    graph.inputs = graph.inputs.filter((v) => !dropped.has(v.name))
    const made = new Set(graph.nodes.flatMap((node) => node.outputs))
    for (const name of graph.values.keys()) if (!made.has(name)) graph.values.delete(name)
    return { changed: before - graph.nodes.length - graph.initializers.size, refused: [] }
  },
})
