import type { DataType } from './dtype.ts'
import type { Shape } from './shape.ts'
import type { TensorData } from './tensorData.ts'

/**
 * The graph, as ONNX has it: nodes in topological order, values joined by name. Names are the only links, so a graph can be
 * printed, written and compared as it stands; whoever needs producers or consumers asks for an index (`index.ts`).
 *
 * `origin` fields are what the file reader keeps to write back what this program does not know. Opaque to everyone else.
 */
export interface Model {
  irVersion: number
  producerName: string
  producerVersion: string
  domain: string
  modelVersion: number
  doc: string
  /** Domain ('' is ai.onnx) to opset version. */
  opsets: Map<string, number>
  metadata: Map<string, string>
  graph: Graph
  functions: FunctionDef[]
  origin?: unknown
}

export interface Graph {
  name: string
  nodes: Node[]
  inputs: ValueInfo[]
  outputs: ValueInfo[]
  initializers: Map<string, TensorData>
  /** Types of intermediate values, as far as known. */
  values: Map<string, ValueInfo>
  doc: string
  origin?: unknown
}

/** A model-local function; its attributes may be referred to by the nodes inside (`Attribute` of type 'ref'). */
export interface FunctionDef {
  name: string
  domain: string
  overload: string
  inputs: string[]
  outputs: string[]
  attributes: string[]
  defaults: Map<string, Attribute>
  nodes: Node[]
  opsets: Map<string, number>
  doc: string
  origin?: unknown
}

export interface Node {
  op: string
  /** '' is ai.onnx. */
  domain: string
  name: string
  /** '' marks an optional input that is left out. */
  inputs: string[]
  outputs: string[]
  attrs: Map<string, Attribute>
  doc: string
  overload: string
  origin?: unknown
}

export type Attribute =
  | { type: 'float'; value: number }
  | { type: 'int'; value: number | bigint }
  | { type: 'string'; value: Uint8Array }
  | { type: 'tensor'; value: TensorData }
  | { type: 'graph'; value: Graph }
  | { type: 'floats'; value: readonly number[] }
  | { type: 'ints'; value: readonly (number | bigint)[] }
  | { type: 'strings'; value: readonly Uint8Array[] }
  | { type: 'tensors'; value: readonly TensorData[] }
  | { type: 'graphs'; value: readonly Graph[] }
  /** A reference to an attribute of the enclosing function. */
  | { type: 'ref'; value: string; of: string }
  /** Sparse tensors and type protos: carried, not interpreted. */
  | { type: 'other'; value: unknown }

export interface ValueInfo {
  name: string
  type: ValueType | undefined
  origin?: unknown
}

export type ValueType =
  | { kind: 'tensor'; dtype: DataType; shape: Shape | undefined }
  | { kind: 'sparse'; dtype: DataType; shape: Shape | undefined }
  | { kind: 'sequence'; of: ValueType | undefined }
  | { kind: 'optional'; of: ValueType | undefined }
  | { kind: 'map'; key: DataType; value: ValueType | undefined }
  | { kind: 'opaque'; domain: string; name: string }

const text = new TextDecoder()
const utf8 = new TextEncoder()

export const tensorType = (dtype: DataType, shape?: Shape): ValueType => ({ kind: 'tensor', dtype, shape })

export const makeNode = (
  op: string,
  inputs: string[],
  outputs: string[],
  attrs: Record<string, Attribute> = {},
  more: { domain?: string; name?: string } = {},
): Node => ({
  op,
  domain: more.domain ?? '',
  name: more.name ?? outputs[0] ?? op,
  inputs,
  outputs,
  attrs: new Map(Object.entries(attrs)),
  doc: '',
  overload: '',
})

export const makeGraph = (name: string): Graph => ({
  name,
  nodes: [],
  inputs: [],
  outputs: [],
  initializers: new Map(),
  values: new Map(),
  doc: '',
})

/** A model around a graph; IR version 10 is read by ONNX Runtime 1.18 and later. */
export const makeModel = (graph: Graph, opset: number, more: Partial<Model> = {}): Model => ({
  irVersion: opset > 21 ? 11 : opset >= 21 ? 10 : 8,
  producerName: 'stillroom',
  producerVersion: '',
  domain: '',
  modelVersion: 0,
  doc: '',
  opsets: new Map([['', opset]]),
  metadata: new Map(),
  graph,
  functions: [],
  ...more,
})

/** How the names of float initializers begin that are no weights, whatever operator uses them. */
export const FIXED = 'fixed.'

export const intAttr = (value: number): Attribute => ({ type: 'int', value })
export const intsAttr = (value: readonly number[]): Attribute => ({ type: 'ints', value })
export const floatAttr = (value: number): Attribute => ({ type: 'float', value })
export const stringAttr = (value: string): Attribute => ({ type: 'string', value: utf8.encode(value) })

/** Integer attribute of a node, or the default. */
export function getInt(node: Node, name: string, fallback: number): number {
  const a = node.attrs.get(name)
  return a?.type === 'int' ? Number(a.value) : fallback
}

export function getFloat(node: Node, name: string, fallback: number): number {
  const a = node.attrs.get(name)
  return a?.type === 'float' ? a.value : fallback
}

export function getInts(node: Node, name: string): number[] | undefined {
  const a = node.attrs.get(name)
  return a?.type === 'ints' ? a.value.map(Number) : undefined
}

export function getString(node: Node, name: string, fallback: string): string {
  const a = node.attrs.get(name)
  return a?.type === 'string' ? text.decode(a.value) : fallback
}

/** Subgraphs held in a node's attributes (If, Loop, Scan and kin). */
export function subgraphs(node: Node): Graph[] {
  const out: Graph[] = []
  for (const a of node.attrs.values()) {
    if (a.type === 'graph') out.push(a.value)
    else if (a.type === 'graphs') out.push(...a.value)
  }
  return out
}

/** `'conv1' (Conv)` with the domain where it is not ai.onnx; the form used in messages. */
export const showNode = (node: Pick<Node, 'name' | 'op' | 'domain' | 'outputs'>): string =>
  `'${node.name || node.outputs[0] || ''}' (${node.domain ? `${node.domain}.` : ''}${node.op})`
