import { capturedBy, subgraphs, type Attribute, type Graph, type Node } from '../../ir/index.ts'

/** Names that a node's subgraphs take from around it, in the order in which they are met; renaming keeps that order. */
export function capturesOf(node: Node): string[] {
  const names = new Set<string>()
  for (const graph of subgraphs(node)) for (const name of capturedBy(graph)) names.add(name)
  return [...names]
}

/**
 * The node with captured names replaced as `outer` says. What the subgraphs define gets new names, since those of another graph may clash
 * with values around the node, which ONNX does not allow.
 */
export function renameCaptures(node: Node, outer: ReadonlyMap<string, string>, unique: (name: string) => string): Node {
  return { ...node, attrs: renameIn(node, outer, unique) }
}

function renameIn(node: Node, names: ReadonlyMap<string, string>, unique: (name: string) => string): Map<string, Attribute> {
  const inner = (graph: Graph) => renameGraph(graph, names, unique)
  return new Map(
    [...node.attrs].map(([key, a]): [string, Attribute] => {
      if (a.type === 'graph') return [key, { type: 'graph', value: inner(a.value) }]
      if (a.type === 'graphs') return [key, { type: 'graphs', value: a.value.map(inner) }]
      return [key, a]
    }),
  )
}

function renameGraph(graph: Graph, outer: ReadonlyMap<string, string>, unique: (name: string) => string): Graph {
  const names = new Map(outer)
  const own = (name: string): string => {
    if (name === '') return ''
    const made = unique(name)
    names.set(name, made)
    return made
  }
  const to = (name: string): string => names.get(name) ?? name
  const inputs = graph.inputs.map((v) => ({ ...v, name: own(v.name) }))
  const given = new Set(graph.inputs.map((v) => v.name))
  const initializers = new Map([...graph.initializers].map(([name, t]) => [given.has(name) ? to(name) : own(name), t]))
  const nodes = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map(to),
    attrs: renameIn(node, names, unique),
    outputs: node.outputs.map(own),
  }))
  const outputs = graph.outputs.map((v) => ({ ...v, name: to(v.name) }))
  return { ...graph, inputs, initializers, nodes, outputs, values: new Map() }
}
