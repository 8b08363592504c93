import type { Model, TensorData } from '../ir/index.ts'

/** The same model with tensors of Constant nodes as initializers, where some exporters keep their weights. The given one is not changed. */
export function hoistConstants(model: Model): Model {
  const { graph } = model
  const found = new Map<string, TensorData>()
  const outputs = new Set(graph.outputs.map((v) => v.name))
  const nodes = graph.nodes.filter((node) => {
    const value = node.attrs.get('value')
    const name = node.outputs[0]
    if (node.op !== 'Constant' || node.domain !== '' || value?.type !== 'tensor' || !name || outputs.has(name)) return true
    found.set(name, value.value)
    return false
  })
  return found.size ? { ...model, graph: { ...graph, nodes, initializers: new Map([...graph.initializers, ...found]) } } : model
}
