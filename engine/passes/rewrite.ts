import { capturedBy, subgraphs, type Graph, type Model, type Node, type TensorData, type ValueInfo } from '../ir/index.ts'

/** A place that looked like a match and was left alone. */
export interface Refusal {
  node: string
  reason: string
}

export interface RewriteReport {
  /** Matches rewritten. */
  changed: number
  refused: Refusal[]
}

/** One rewrite of a graph that keeps what it computes. */
export interface Pass {
  readonly id: string
  /** What it is good for, one sentence. */
  readonly why: string
  /** Changes the graph in place. Subgraphs are left alone, except for the names that they take from around them. */
  run(graph: Graph): RewriteReport
}

export const definePass = (pass: Pass): Pass => pass

/** The same model with its own lists, so that passes may change it; tensors are shared. */
export function cloneModel(model: Model): Model {
  return { ...model, opsets: new Map(model.opsets), metadata: new Map(model.metadata), graph: cloneGraph(model.graph) }
}

export function cloneGraph(graph: Graph): Graph {
  return {
    ...graph,
    nodes: graph.nodes.map(cloneNode),
    inputs: [...graph.inputs],
    outputs: [...graph.outputs],
    initializers: new Map(graph.initializers),
    values: new Map(graph.values),
  }
}

function cloneNode(node: Node): Node {
  const attrs: Node['attrs'] = new Map()
  for (const [name, a] of node.attrs) {
    if (a.type === 'graph') attrs.set(name, { type: 'graph', value: cloneGraph(a.value) })
    else if (a.type === 'graphs') attrs.set(name, { type: 'graphs', value: a.value.map(cloneGraph) })
    else attrs.set(name, a)
  }
  return { ...node, inputs: [...node.inputs], outputs: [...node.outputs], attrs }
}

/** Applies passes in order to a copy of the model. */
export function applyPasses(
  model: Model,
  passes: readonly Pass[],
): { model: Model; reports: { pass: string; report: RewriteReport }[] } {
  const copy = cloneModel(model)
  const reports = passes.map((pass) => ({ pass: pass.id, report: pass.run(copy.graph) }))
  return { model: copy, reports }
}

/**
 * Looks up constants: initializers and outputs of Constant nodes. An initializer that is also an input (old files list them all)
 * counts as constant, as nothing here ever feeds it.
 */
export function constantsOf(graph: Graph): (name: string | undefined) => TensorData | undefined {
  const made = new Map<string, TensorData>()
  for (const node of graph.nodes) {
    const value = node.op === 'Constant' && node.domain === '' ? node.attrs.get('value') : undefined
    if (value?.type === 'tensor') made.set(node.outputs[0]!, value.value)
  }
  return (name) => (name ? (graph.initializers.get(name) ?? made.get(name)) : undefined)
}

/** Every reader of `from` reads `to` instead, subgraphs included; the graph's outputs stay. */
export function redirect(graph: Graph, from: string, to: string): void {
  for (const node of graph.nodes) {
    node.inputs = node.inputs.map((name) => (name === from ? to : name))
    for (const sub of subgraphs(node)) if (capturedBy(sub).has(from)) redirect(sub, from, to)
  }
}

/** A name that no value of the graph (or of its subgraphs) has yet. */
export function freshName(graph: Graph, wanted: string): string {
  const taken = namesOf(graph)
  let name = wanted
  for (let i = 2; taken.has(name); i++) name = `${wanted}_${i}`
  return name
}

/** Names of all values of a graph and its subgraphs. */
export function namesOf(graph: Graph, into = new Set<string>()): Set<string> {
  for (const { name } of graph.inputs) into.add(name)
  for (const name of graph.initializers.keys()) into.add(name)
  for (const node of graph.nodes) {
    node.outputs.forEach((name) => into.add(name))
    for (const sub of subgraphs(node)) namesOf(sub, into)
  }
  return into
}

export const isOutput = (graph: Graph, name: string): boolean => graph.outputs.some((v: ValueInfo) => v.name === name)
