import { usageOf, type Graph, type Node } from '../../ir/index.ts'
import { constantsOf, isOutput } from '../../passes/index.ts'

/** A part of a graph with one output, some of whose layers are to be rounded. */
export interface Segment {
  nodes: Node[]
  /** Values that come from outside, constants left out. */
  inputs: string[]
  output: string
  /** The layers with weights to round, in order. */
  layers: Node[]
}

/** Elementwise operators that a layer's error is measured behind, as equation 25 of AdaRound does for activations. */
const FOLLOWS = new Set([
  'Relu',
  'Clip',
  'LeakyRelu',
  'Sigmoid',
  'HardSigmoid',
  'HardSwish',
  'Gelu',
  'BatchNormalization',
  'Mul',
  'Add',
])
/** Layers that are fitted together at most: more would fit the few samples and not the layers. */
const MOST_LAYERS = 12

/** One segment for each layer: the layer, its bias, batch norm and activation where nothing else reads in between. */
export function layerSegments(graph: Graph, layers: ReadonlySet<Node>): Segment[] {
  const { consumers } = usageOf(graph)
  const constant = constantsOf(graph)
  return graph.nodes.flatMap((node) => {
    if (!layers.has(node)) return []
    const nodes = [node]
    let output = node.outputs[0]!
    for (;;) {
      const readers = consumers.get(output) ?? []
      const [next] = readers
      if (readers.length !== 1 || !next || next.domain !== '' || !FOLLOWS.has(next.op) || isOutput(graph, output)) break
      // A sum with another activation is where branches meet: the error there is not this layer's alone.
      if (next.inputs.some((x) => x && x !== output && !constant(x))) break
      nodes.push(next)
      output = next.outputs[0]!
    }
    return [segment(graph, nodes, output, layers)]
  })
}

/**
 * Segments between values that everything passes through: residual blocks, and layers of their own where there are none.
 * A block without such a value inside and with too many layers is taken layer by layer.
 */
export function blockSegments(graph: Graph, layers: ReadonlySet<Node>): Segment[] {
  const usage = usageOf(graph)
  const constant = constantsOf(graph)
  const last = new Map<string, number>()
  graph.nodes.forEach((node, at) => node.inputs.forEach((name) => last.set(name, at)))
  for (const { name } of graph.outputs) last.set(name, Infinity)
  const live = new Set(graph.inputs.map((v) => v.name).filter((name) => !constant(name) && last.has(name)))
  const blocks: Segment[] = []
  let nodes: Node[] = []
  const close = (output: string) => {
    const part = segment(graph, reaching(nodes, output), output, layers)
    if (part.layers.length > MOST_LAYERS) blocks.push(...layerSegments({ ...graph, nodes }, new Set(part.layers)))
    else if (part.layers.length > 0) blocks.push(part)
    nodes = []
  }
  graph.nodes.forEach((node, at) => {
    nodes.push(node)
    for (const name of node.outputs) if (name && (last.get(name) ?? -1) > at && !constant(name)) live.add(name)
    for (const name of [...live]) if (last.get(name)! <= at) live.delete(name)
    const [only] = live
    if (live.size !== 1 || !node.outputs.includes(only!)) return
    // An activation behind a layer belongs to it.
    const readers = usage.consumers.get(only!) ?? []
    const [next] = readers
    const follows =
      next && readers.length === 1 && FOLLOWS.has(next.op) && next.inputs.every((x) => !x || x === only || constant(x))
    if (!follows && nodes.some((n) => layers.has(n))) close(only!)
  })
  const output = graph.outputs[0]?.name
  if (output && nodes.some((n) => layers.has(n))) close(output)
  return blocks
}

/** Those of the nodes that an output depends on. */
function reaching(nodes: readonly Node[], output: string): Node[] {
  const wanted = new Set([output])
  return nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((y) => wanted.has(y))) return false
      node.inputs.forEach((x) => wanted.add(x))
      return true
    })
    .toReversed()
}

function segment(graph: Graph, nodes: Node[], output: string, layers: ReadonlySet<Node>): Segment {
  const made = new Set(nodes.flatMap((n) => n.outputs))
  const constant = constantsOf(graph)
  const inputs = new Set(nodes.flatMap((n) => n.inputs).filter((x) => x && !made.has(x) && !constant(x)))
  return { nodes, inputs: [...inputs], output, layers: nodes.filter((n) => layers.has(n)) }
}
