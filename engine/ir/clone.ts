import type { Attribute, FunctionDef, Graph, Model, Node } from './graph.ts'

/** A copy whose nodes, lists and maps can be changed freely; tensors and types are shared, they do not change. */
export const cloneModel = (model: Model): Model => ({
  ...model,
  opsets: new Map(model.opsets),
  metadata: new Map(model.metadata),
  graph: cloneGraph(model.graph),
  functions: model.functions.map(cloneFunction),
})

export const cloneGraph = (graph: Graph): Graph => ({
  ...graph,
  nodes: graph.nodes.map(cloneNode),
  inputs: [...graph.inputs],
  outputs: [...graph.outputs],
  initializers: new Map(graph.initializers),
  values: new Map(graph.values),
})

const cloneFunction = (def: FunctionDef): FunctionDef => ({
  ...def,
  inputs: [...def.inputs],
  outputs: [...def.outputs],
  attributes: [...def.attributes],
  defaults: cloneAttributes(def.defaults),
  nodes: def.nodes.map(cloneNode),
  opsets: new Map(def.opsets),
})

export const cloneNode = (node: Node): Node => ({
  ...node,
  inputs: [...node.inputs],
  outputs: [...node.outputs],
  attrs: cloneAttributes(node.attrs),
})

const cloneAttributes = (attrs: Map<string, Attribute>): Map<string, Attribute> =>
  new Map([...attrs].map(([name, a]) => [name, cloneAttribute(a)]))

const cloneAttribute = (attribute: Attribute): Attribute =>
  attribute.type === 'graph'
    ? { type: 'graph', value: cloneGraph(attribute.value) }
    : attribute.type === 'graphs'
      ? { type: 'graphs', value: attribute.value.map(cloneGraph) }
      : attribute
