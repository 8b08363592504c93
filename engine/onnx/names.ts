import { subgraphs, type Graph, type Model, type Node } from '../ir/index.ts'

/** The names in use anywhere in a model, and new ones that clash with none. */
export function namesOf(model: Model): { fresh: (base: string) => string } {
  const used = new Set<string>()
  const visitNodes = (nodes: readonly Node[]): void => {
    for (const node of nodes) {
      used.add(node.name)
      for (const name of [...node.inputs, ...node.outputs]) used.add(name)
      subgraphs(node).forEach(visitGraph)
    }
  }
  const visitGraph = (graph: Graph): void => {
    for (const value of [...graph.inputs, ...graph.outputs, ...graph.values.values()]) used.add(value.name)
    for (const name of graph.initializers.keys()) used.add(name)
    visitNodes(graph.nodes)
  }
  visitGraph(model.graph)
  for (const def of model.functions) {
    for (const name of [...def.inputs, ...def.outputs]) used.add(name)
    visitNodes(def.nodes)
  }
  const next = new Map<string, number>()
  const fresh = (base: string): string => {
    let name = base
    for (let i = next.get(base) ?? 1; used.has(name); i++) {
      name = `${base}_${i}`
      next.set(base, i + 1)
    }
    used.add(name)
    return name
  }
  return { fresh }
}
