import {
  byteLength,
  getInt,
  sizeOf,
  subgraphs,
  type DataType,
  type Graph,
  type Model,
  type Node,
  type TensorData,
} from '../ir/index.ts'
import { parseAttrs, ruleBook, WORKING_OPSET, type Slots, type TensorType } from '../ops/index.ts'

/** One node of the layer table. `null` marks what could not be determined. */
export interface Layer {
  name: string
  /** Operator, with its domain where that is not ai.onnx. */
  op: string
  /** Shapes of the inputs and outputs; an input that is left out has none. */
  inputs: (readonly number[] | null)[]
  outputs: (readonly number[] | null)[]
  /** Elements of the weights that this node is the first to read. */
  parameters: number
  /** Multiply-accumulate operations of one call: products and convolutions, not elementwise work. */
  macs: number | null
  /** Bytes of those weights. */
  bytes: number
  /** Bytes of the outputs. */
  activationBytes: number | null
}

export interface Table {
  layers: Layer[]
  /** Nodes, subgraphs and functions included. */
  nodes: number
  ops: Record<string, number>
  parameters: number
  weightBytes: number
  macs: number | null
  /** Largest sum of activations that are alive at one time, nodes in file order and none overwritten in place. */
  activationBytes: number | null
  /** Sum of all activations: what training keeps at most. */
  activationTotalBytes: number | null
}

type Types = ReadonlyMap<string, TensorType>

/**
 * Weights are floats and the narrow integers of quantized models. 64-bit integers, booleans and strings are indices and shapes,
 * scalars are constants of a formula or scales.
 */
export const isWeight = (data: TensorData): boolean =>
  data.dims.length > 0 && !['int64', 'uint64', 'bool', 'string'].includes(data.dtype)

/** Constants of a graph by name: initializers and the tensors of Constant nodes. */
export function constantsOf(graph: Graph): Map<string, TensorData> {
  const out = new Map(graph.initializers)
  for (const node of graph.nodes) {
    const value = node.op === 'Constant' && node.domain === '' ? node.attrs.get('value') : undefined
    if (value?.type === 'tensor' && node.outputs[0]) out.set(node.outputs[0], value.value)
  }
  return out
}

/** Elements of all weights of a model, subgraphs included. */
export function countParameters(model: Model): number {
  let count = 0
  for (const graph of graphsOf(model.graph))
    for (const data of constantsOf(graph).values()) if (isWeight(data)) count += sizeOf(data.dims)
  for (const f of model.functions)
    for (const node of f.nodes)
      for (const a of node.attrs.values()) if (a.type === 'tensor' && isWeight(a.value)) count += sizeOf(a.value.dims)
  return count
}

export const opName = (node: Pick<Node, 'op' | 'domain'>): string => (node.domain ? `${node.domain}.${node.op}` : node.op)

/** A graph and all graphs inside it. */
export function graphsOf(graph: Graph): Graph[] {
  return [graph, ...graph.nodes.flatMap((node) => subgraphs(node).flatMap(graphsOf))]
}

/** The layer table of a model, from the types that probing found. */
export function tabulate(model: Model, types: Types): Table {
  const { graph } = model
  const constants = constantsOf(graph)
  const counted = new Set<string>()
  const layers = graph.nodes.map((node) => layerOf(node, types, constants, counted))
  const all = [...graphsOf(graph).flatMap((g) => g.nodes), ...model.functions.flatMap((f) => f.nodes)]
  const ops: Record<string, number> = {}
  for (const node of all) ops[opName(node)] = (ops[opName(node)] ?? 0) + 1
  let weightBytes = 0
  for (const g of graphsOf(graph))
    for (const d of constantsOf(g).values()) if (isWeight(d)) weightBytes += byteLength(d.dtype, sizeOf(d.dims))
  const { peak, total } = activations(graph, types, constants)
  return {
    layers,
    nodes: all.length,
    ops: Object.fromEntries(Object.entries(ops).sort(([a], [b]) => (a < b ? -1 : 1))),
    parameters: countParameters(model),
    weightBytes,
    macs: layers.some((l) => l.macs === null) ? null : layers.reduce((n, l) => n + l.macs!, 0),
    activationBytes: peak,
    activationTotalBytes: total,
  }
}

function layerOf(node: Node, types: Types, constants: ReadonlyMap<string, TensorData>, counted: Set<string>): Layer {
  let parameters = 0
  let bytes = 0
  for (const name of node.inputs) {
    const data = constants.get(name)
    if (!data || counted.has(name) || !isWeight(data)) continue
    counted.add(name)
    parameters += sizeOf(data.dims)
    bytes += byteLength(data.dtype, sizeOf(data.dims))
  }
  const shapeOf = (name: string) => types.get(name)?.shape ?? null
  const outputs = node.outputs.filter((v) => v !== '').map((v) => types.get(v))
  return {
    name: node.name || (node.outputs[0] ?? ''),
    op: opName(node),
    inputs: node.inputs.map(shapeOf),
    outputs: node.outputs.map(shapeOf),
    parameters,
    macs: macsOf(node, types),
    bytes,
    activationBytes: outputs.includes(undefined) ? null : outputs.reduce((n, t) => n + byteLength(t!.dtype, sizeOf(t!.shape)), 0),
  }
}

/** Operators whose cost is multiply-accumulates, by the input that holds the weights (and by rule where there is one). */
const PRODUCTS: Record<string, 'conv' | 'transposed' | 'matmul' | 'gemm' | 'recurrent' | 'rule'> = {
  Conv: 'conv',
  FusedConv: 'conv',
  ConvInteger: 'conv',
  QLinearConv: 'conv',
  ConvTranspose: 'transposed',
  MatMul: 'matmul',
  FusedMatMul: 'matmul',
  MatMulInteger: 'matmul',
  QLinearMatMul: 'matmul',
  Gemm: 'gemm',
  FusedGemm: 'gemm',
  QGemm: 'gemm',
  LSTM: 'recurrent',
  GRU: 'recurrent',
  RNN: 'recurrent',
  Einsum: 'rule',
  Attention: 'rule',
  MultiHeadAttention: 'rule',
}

/** Multiply-accumulates of one node; 0 for operators that do none, null where shapes are unknown or nothing tells. */
function macsOf(node: Node, types: Types): number | null {
  if (subgraphs(node).length) return null
  const kind = PRODUCTS[node.op]
  if (!kind) return 0
  const x = node.inputs.map((v) => types.get(v))
  const y = node.outputs.map((v) => types.get(v))
  // Quantized forms interleave scales and zero points: x, scale, zero, w, …
  const w = x[node.op.startsWith('QLinear') || node.op === 'QGemm' ? 3 : 1]
  if (!x[0] || !w || !y[0]) return byRule(node, x, y)
  const out = sizeOf(y[0].shape)
  if (kind === 'conv') return out * sizeOf(w.shape.slice(1))
  if (kind === 'transposed') return sizeOf(x[0].shape) * sizeOf(w.shape.slice(1))
  if (kind === 'matmul') return out * (getInt(node, 'transA', 0) ? x[0].shape.at(-2)! : x[0].shape.at(-1)!)
  if (kind === 'gemm') return out * (getInt(node, 'transA', 0) ? x[0].shape[0]! : x[0].shape[1]!)
  // Every step multiplies input and state by all gates of all directions.
  if (kind === 'recurrent') return x[0].shape[0]! * x[0].shape[1]! * (sizeOf(w.shape) + sizeOf(x[2]?.shape ?? [0]))
  return byRule(node, x, y)
}

function byRule(node: Node, x: (TensorType | undefined)[], y: (TensorType | undefined)[]): number | null {
  const rule = ruleBook.find(node.op, node.domain, WORKING_OPSET)
  if (!rule?.cost || x.includes(undefined) || y.includes(undefined)) return null
  const a = parseAttrs(rule.attrs, node.attrs, node.name)
  return rule.cost({ x: x as unknown as Slots<TensorType>, y: y as unknown as Slots<TensorType>, a }) / 2
}

const bytesOf = (type: { dtype: DataType; shape: readonly number[] }): number => byteLength(type.dtype, sizeOf(type.shape))

/** Activation memory: freed after the last reader, graph outputs kept to the end. Null when a shape is unknown. */
function activations(
  graph: Graph,
  types: Types,
  constants: ReadonlyMap<string, TensorData>,
): { peak: number | null; total: number | null } {
  const lastUse = new Map<string, number>()
  graph.nodes.forEach((node, i) => node.inputs.forEach((v) => lastUse.set(v, i)))
  for (const out of graph.outputs) lastUse.set(out.name, Infinity)
  const nonTensors = new Set(graph.outputs.flatMap((out) => (out.type && out.type.kind !== 'tensor' ? [out.name] : [])))
  const freed = new Map<number, number>()
  let [alive, peak, total] = [0, 0, 0]
  for (const [i, node] of graph.nodes.entries()) {
    for (const v of node.outputs) {
      if (v === '' || constants.has(v)) continue
      const type = types.get(v)
      if (!type && nonTensors.has(v)) continue
      if (!type) return { peak: null, total: null }
      const bytes = bytesOf(type)
      alive += bytes
      total += bytes
      const last = lastUse.get(v) ?? i
      if (Number.isFinite(last)) freed.set(last, (freed.get(last) ?? 0) + bytes)
    }
    peak = Math.max(peak, alive)
    alive -= freed.get(i) ?? 0
  }
  return { peak, total }
}
