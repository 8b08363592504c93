import { isFloat, TensorData, type Attribute, type Graph, type Model, type Node, type ValueInfo } from '../../ir/index.ts'

type Real = 'float32' | 'float64'

const CODES = { float32: 1, float64: 11 } as const
/** `TensorProto.DataType` of the float types that are replaced: float32, float16, float64, bfloat16. */
const FLOAT_CODES = new Set([1, 10, 11, 16])
/** Attributes that name an element type. */
const TYPE_ATTRIBUTES = new Set(['to', 'dtype', 'output_datatype', 'output_dtype', 'softmax_precision'])

/**
 * The model with all its floats of one element type: initializers, constants, casts, declared types, subgraphs and functions.
 * What it computes stays the same up to rounding; the model given is not changed.
 */
export const retype = (model: Model, to: Real): Model => ({
  ...model,
  graph: graphTo(model.graph, to),
  functions: model.functions.map((f) => ({ ...f, nodes: f.nodes.map((n) => nodeTo(n, to)) })),
})

export const tensorTo = (data: TensorData, to: Real): TensorData => (isFloat(data.dtype) ? data.as(to) : data)

function graphTo(graph: Graph, to: Real): Graph {
  return {
    ...graph,
    nodes: graph.nodes.map((node) => nodeTo(node, to)),
    inputs: graph.inputs.map((v) => infoTo(v, to)),
    outputs: graph.outputs.map((v) => infoTo(v, to)),
    values: new Map([...graph.values].map(([name, v]) => [name, infoTo(v, to)])),
    initializers: new Map([...graph.initializers].map(([name, data]) => [name, tensorTo(data, to)])),
  }
}

function infoTo(info: ValueInfo, to: Real): ValueInfo {
  const { type } = info
  return type?.kind === 'tensor' && isFloat(type.dtype) ? { name: info.name, type: { ...type, dtype: to } } : info
}

function nodeTo(node: Node, to: Real): Node {
  const attrs = new Map<string, Attribute>()
  for (const [name, a] of node.attrs) attrs.set(name, attributeTo(name, a, to))
  // Constants given as plain numbers are float32 by definition: written as tensors they can be of any type.
  if (node.op === 'Constant' && node.domain === '') {
    const one = attrs.get('value_float')
    const many = attrs.get('value_floats')
    if (one?.type === 'float') attrs.set('value', { type: 'tensor', value: TensorData.scalar(to, one.value) })
    if (many?.type === 'floats')
      attrs.set('value', { type: 'tensor', value: TensorData.from(to, [many.value.length], [...many.value]) })
    if (attrs.has('value')) for (const name of ['value_float', 'value_floats']) attrs.delete(name)
  }
  // Without a value it makes float32 zeros.
  if (node.op === 'ConstantOfShape' && node.domain === '' && !attrs.has('value'))
    attrs.set('value', { type: 'tensor', value: TensorData.from(to, [1], [0]) })
  return { ...node, attrs }
}

function attributeTo(name: string, a: Attribute, to: Real): Attribute {
  if (a.type === 'tensor') return { type: 'tensor', value: tensorTo(a.value, to) }
  if (a.type === 'graph') return { type: 'graph', value: graphTo(a.value, to) }
  if (a.type === 'graphs') return { type: 'graphs', value: a.value.map((g) => graphTo(g, to)) }
  if (a.type === 'int' && TYPE_ATTRIBUTES.has(name) && FLOAT_CODES.has(Number(a.value))) return { type: 'int', value: CODES[to] }
  return a
}
