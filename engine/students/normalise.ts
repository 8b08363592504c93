import type { Model, TensorData } from '../ir/index.ts'
import { inlineFunctions, upgradeOpset } from '../onnx/index.ts'

/**
 * The model in the form that the rules of this folder look at: functions inlined, opset raised, tensors of Constant nodes (where some
 * exporters keep their weights) as initializers. The given one is not changed.
 */
export function normalise(given: Model): Model {
  const { model } = upgradeOpset(inlineFunctions(given))
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
