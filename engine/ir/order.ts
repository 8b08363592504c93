import { ModelError } from '../errors.ts'
import { showNode, subgraphs, type Graph, type Node } from './graph.ts'
import { capturedBy } from './usage.ts'

/** What a node reads: its inputs and what its subgraphs take from around them. */
export function readsOf(node: Node): string[] {
  const captured = subgraphs(node).flatMap((graph) => [...capturedBy(graph)])
  return captured.length > 0 ? [...node.inputs, ...captured] : node.inputs
}

/** Nodes with the nodes that each waits for. */
function dependencies(nodes: readonly Node[]): Map<Node, Node[]> {
  const producer = new Map<string, Node>()
  for (const node of nodes) for (const out of node.outputs) if (out) producer.set(out, node)
  const map = new Map<Node, Node[]>()
  for (const node of nodes) {
    const waits = new Set<Node>()
    for (const value of readsOf(node)) {
      const made = producer.get(value)
      if (made) waits.add(made)
    }
    map.set(node, [...waits])
  }
  return map
}

/**
 * The order of a depth-first walk (each node after those it waits for, otherwise as given), or the first cycle met.
 * Iterative: a chain of nodes may be longer than the stack.
 */
function walk(nodes: readonly Node[]): { order: Node[]; cycle: Node[] | undefined } {
  const waits = dependencies(nodes)
  const state = new Map<Node, 'open' | 'done'>()
  const order: Node[] = []
  for (const root of nodes) {
    if (state.has(root)) continue
    const path: { node: Node; next: number }[] = [{ node: root, next: 0 }]
    state.set(root, 'open')
    while (path.length > 0) {
      const top = path.at(-1)!
      const before = waits.get(top.node)![top.next++]
      if (before === undefined) {
        state.set(top.node, 'done')
        order.push(top.node)
        path.pop()
      } else if (state.get(before) === 'open') {
        const from = path.findIndex((step) => step.node === before)
        return { order, cycle: path.slice(from).map((step) => step.node) }
      } else if (!state.has(before)) {
        state.set(before, 'open')
        path.push({ node: before, next: 0 })
      }
    }
  }
  return { order, cycle: undefined }
}

/** The nodes of one cycle, each reading from the next, or undefined. */
export const findCycle = (nodes: readonly Node[]): Node[] | undefined => walk(nodes).cycle

/**
 * Puts the nodes of a graph (subgraphs too) in topological order, in place; nodes that are in order stay as they are.
 * Errors: ModelError naming a cycle.
 */
export function sortNodes(graph: Graph): void {
  const { order, cycle } = walk(graph.nodes)
  if (cycle) throw new ModelError(`the graph has a cycle: ${showCycle(cycle)}`, { where: `graph '${graph.name}'` })
  graph.nodes = order
  for (const node of graph.nodes) subgraphs(node).forEach(sortNodes)
}

/** `'a' (Add) <- 'b' (Relu) <- 'a' (Add)`; long ones are cut. */
export function showCycle(cycle: readonly Node[]): string {
  const shown = cycle.slice(0, 8).map(showNode)
  if (cycle.length > shown.length) shown.push(`${cycle.length - shown.length} more`)
  return [...shown, showNode(cycle[0]!)].join(' <- ')
}
