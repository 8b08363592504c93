import { subgraphs, type Graph, type Node } from './graph.ts'

/** Who makes and who reads each value of a graph. A snapshot: ask again after changing the graph. */
export interface Usage {
  producer: Map<string, Node>
  /** Nodes that read the value, subgraph captures included (then the node that holds the subgraph). */
  consumers: Map<string, Node[]>
}

export function usageOf(graph: Graph): Usage {
  const producer = new Map<string, Node>()
  const consumers = new Map<string, Node[]>()
  const read = (value: string, by: Node) => {
    const list = consumers.get(value)
    if (list) {
      if (!list.includes(by)) list.push(by)
    } else consumers.set(value, [by])
  }
  for (const node of graph.nodes) {
    for (const out of node.outputs) if (out) producer.set(out, node)
    for (const value of node.inputs) if (value) read(value, node)
    for (const sub of subgraphs(node)) for (const value of capturedBy(sub)) read(value, node)
  }
  return { producer, consumers }
}

/** Names that a subgraph takes from the graphs around it. */
export function capturedBy(graph: Graph): Set<string> {
  const own = new Set<string>([...graph.inputs.map((v) => v.name), ...graph.initializers.keys()])
  const captured = new Set<string>()
  const read = (name: string) => {
    if (name && !own.has(name)) captured.add(name)
  }
  for (const node of graph.nodes) {
    node.inputs.forEach(read)
    for (const sub of subgraphs(node)) capturedBy(sub).forEach(read)
    node.outputs.forEach((name) => own.add(name))
  }
  graph.outputs.forEach((v) => read(v.name))
  return captured
}
