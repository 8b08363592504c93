import { isConcrete, type Attribute, type Model, type Node, type ValueInfo } from '../ir/index.ts'

/** Dims of a value, where the model tells them. */
type DimsOf = (name: string | undefined) => readonly number[] | undefined

const int = (node: Node, name: string): number => {
  const a = node.attrs.get(name)
  return a?.type === 'int' ? Number(a.value) : 0
}
const text = (node: Node, name: string): string => {
  const a: Attribute | undefined = node.attrs.get(name)
  return a?.type === 'string' ? (typeof a.value === 'string' ? a.value : new TextDecoder().decode(a.value)) : ''
}

const noOp = (node: Node): boolean => int(node, 'noop_with_empty_axes') === 1

/** A shader may write 8 buffers at least, its inputs among them. */
const MOST_OUTPUTS = 7

/**
 * Calls that ONNX Runtime 1.30's WebGPU provider takes and then refuses when they run, or answers wrongly, by operator. What a training step is
 * made of is lowered around them (engine/passes/lower/webgpu*.ts); models of others come as they are, and there they run on the CPU.
 */
const REFUSED: Readonly<Record<string, (node: Node, dims: DimsOf) => boolean>> = {
  BatchNormalization: (n) => int(n, 'training_mode') === 1,
  ConvTranspose(n, dims) {
    const group = int(n, 'group') || 1
    const axes = ['kernel_shape', 'strides', 'dilations'].map((name) => n.attrs.get(name)).find((a) => a?.type === 'ints')
    if (axes?.type === 'ints' && axes.value.length > 2) return true
    const w = dims(n.inputs[1])
    if (!w) return group > 1
    return w.length > 4 || (group > 1 && w[1] === 1 && (w[0]! / group) % 2 === 0)
  },
  Einsum: (n) => text(n, 'equation').includes('...'),
  GRU: (n) => n.attrs.has('activations'),
  LSTM: (n) => n.attrs.has('activations'),
  MaxPool: (n) => n.outputs.length > 1 && n.outputs[1] !== '',
  Pad: (n) => text(n, 'mode') === 'wrap',
  ReduceL1: noOp,
  ReduceL2: noOp,
  ReduceLogSum: noOp,
  ReduceSumSquare: noOp,
  Resize: (n) => int(n, 'antialias') === 1,
  Split: (n) => n.outputs.length > MOST_OUTPUTS,
  'com.microsoft:FusedConv': () => true,
  'com.microsoft:GroupQueryAttention': () => true,
  'com.microsoft:MultiHeadAttention': (n) => Boolean(n.inputs[4]),
}

const fixed = (type: ValueInfo['type'] | undefined): readonly number[] | undefined => {
  const shape = type && 'shape' in type ? type.shape : undefined
  return shape && isConcrete(shape) ? shape : undefined
}

/** The same model with every node that the WebGPU provider must not have named, and those names. Nodes of subgraphs are not looked at. */
export function withoutRefused(model: Model): { model: Model; names: string[] } {
  const { graph } = model
  const inputs = new Map(graph.inputs.map((v) => [v.name, v]))
  const dims: DimsOf = (name) => {
    if (name === undefined) return undefined
    const constant = graph.initializers.get(name)?.dims
    return constant ?? fixed((graph.values.get(name) ?? inputs.get(name))?.type)
  }
  const names: string[] = []
  const nodes = graph.nodes.map((node, i) => {
    const refused = REFUSED[node.domain === '' ? node.op : `${node.domain}:${node.op}`]
    if (!refused?.(node, dims)) return node
    const name = node.name || `on_cpu_${i}`
    names.push(name)
    return node.name ? node : { ...node, name }
  })
  return names.length ? { model: { ...model, graph: { ...graph, nodes } }, names } : { model, names }
}
