import { UnsupportedError } from '../errors.ts'
import { showNode, subgraphs, type Graph, type Node, type TensorData } from '../ir/index.ts'
import type { Builder } from './builder.ts'
import type { TensorType } from './rule.ts'
import type { Tensor } from './tensor.ts'

export interface InlineOptions {
  /** A tensor for an initializer: a trainable parameter's input, say. Undefined: the initializer becomes a constant. */
  initializer?: (name: string, data: TensorData) => Tensor | undefined
  /** What to emit for a node instead of the node itself (training-mode batch norm, dropout masks); undefined keeps it. */
  node?: (node: Node, inputs: readonly (Tensor | undefined)[]) => readonly Tensor[] | undefined
  /** Types of values by name, from a probing run, for operators without a rule. */
  types?: ReadonlyMap<string, TensorType>
}

/**
 * Runs a graph (already at the builder's opset) symbolically inside `b`, on the given inputs.
 * Returns every value of the graph by its name, so that features can be tapped.
 * Errors: UnsupportedError for nodes with subgraphs, or without rule and known types; ModelError where shapes do not fit.
 */
export function inlineGraph(
  b: Builder,
  graph: Graph,
  inputs: ReadonlyMap<string, Tensor>,
  options: InlineOptions = {},
): Map<string, Tensor> {
  const values = new Map<string, Tensor>(inputs)
  for (const [name, data] of graph.initializers)
    if (!values.has(name))
      values.set(name, options.initializer?.(name, data) ?? b.constant(data, data.size > 64 ? name : undefined))
  for (const node of graph.nodes) {
    if (subgraphs(node).length)
      throw new UnsupportedError(`control flow cannot be compiled into a training graph`, {
        where: `node ${showNode(node)}`,
        hint: 'such a model can teach (it is run on its own), but not be trained',
      })
    const x = node.inputs.map((name) => (name === '' ? undefined : values.get(name)))
    const types = node.outputs.map((name) => options.types?.get(name))
    const y = options.node?.(node, x) ?? b.emitNode(node, x, types)
    node.outputs.forEach((name, i) => {
      if (name && y[i]) values.set(name, y[i])
    })
  }
  return values
}
