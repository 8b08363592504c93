import { ModelError } from '../errors.ts'
import type { Attribute, FunctionDef, Graph, Model, Node, TensorData, ValueInfo } from '../ir/index.ts'
import type { Source } from './external.ts'
import type { Message } from './schema.ts'
import { denseOf, tensorOf } from './tensor.ts'
import { decodeType } from './types.ts'

/** `AttributeProto.AttributeType` to the names of `Attribute`. */
export const ATTRIBUTE_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const

const typeNames = new Map(
  Object.entries(ATTRIBUTE_TYPES).map(([name, code]) => [code as number, name as keyof typeof ATTRIBUTE_TYPES]),
)

/** '' and 'ai.onnx' are the same domain. */
export const domainOf = (domain: string | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''))

/** The graph of a model message. Errors: ModelError where the message holds no graph. */
export function modelOf(message: Message<'ModelProto'>, source: Source): Model {
  if (!message.graph) throw new ModelError('not an ONNX model: it holds no graph', { where: source.file })
  return {
    irVersion: Number(message.ir_version ?? 0),
    producerName: message.producer_name ?? '',
    producerVersion: message.producer_version ?? '',
    domain: message.domain ?? '',
    modelVersion: Number(message.model_version ?? 0),
    doc: message.doc_string ?? '',
    opsets: opsetsOf(message.opset_import, Number(message.ir_version ?? 0)),
    metadata: entriesOf(message.metadata_props),
    graph: graphOf(message.graph, source),
    functions: (message.functions ?? []).map((f) => functionOf(f, source)),
    origin: message,
  }
}

/** Before IR version 3 a model could not say its opset: it was 1. */
export function opsetsOf(list: Message<'OperatorSetIdProto'>[] | undefined, irVersion = 3): Map<string, number> {
  if (!list && irVersion < 3) return new Map([['', 1]])
  return lastWins(
    list,
    (o) => domainOf(o.domain),
    (o) => Number(o.version ?? 0),
  )
}

const entriesOf = (list: Message<'StringStringEntryProto'>[] | undefined): Map<string, string> =>
  lastWins(
    list,
    (e) => e.key ?? '',
    (e) => e.value ?? '',
  )

/** A list as a map, in order; of two entries of one name the later counts and keeps its place. */
function lastWins<M, V>(list: readonly M[] | undefined, key: (m: M) => string, value: (m: M) => V): Map<string, V> {
  const map = new Map<string, V>()
  for (const item of list ?? []) {
    map.delete(key(item))
    map.set(key(item), value(item))
  }
  return map
}

export function graphOf(message: Message<'GraphProto'>, source: Source): Graph {
  const initializers = lastWins(
    message.initializer,
    (t) => t.name ?? '',
    (t) => tensorOf(t, source, `initializer '${t.name ?? ''}'`),
  )
  for (const sparse of message.sparse_initializer ?? []) {
    const name = sparse.values?.name ?? ''
    initializers.set(name, denseOf(sparse, source, `initializer '${name}'`))
  }
  return {
    name: message.name ?? '',
    nodes: (message.node ?? []).map((n) => nodeOf(n, source)),
    inputs: (message.input ?? []).map(valueOf),
    outputs: (message.output ?? []).map(valueOf),
    initializers,
    values: lastWins(message.value_info, (v) => v.name ?? '', valueOf),
    doc: message.doc_string ?? '',
    origin: message,
  }
}

const valueOf = (message: Message<'ValueInfoProto'>): ValueInfo => ({
  name: message.name ?? '',
  type: decodeType(message.type),
  origin: message,
})

export function nodeOf(message: Message<'NodeProto'>, source: Source): Node {
  const where = `node '${message.name || (message.output?.[0] ?? '')}' (${message.op_type ?? ''})`
  return {
    op: message.op_type ?? '',
    domain: domainOf(message.domain),
    name: message.name ?? '',
    inputs: [...(message.input ?? [])],
    outputs: [...(message.output ?? [])],
    attrs: lastWins(
      message.attribute,
      (a) => a.name ?? '',
      (a) => attributeOf(a, source, where),
    ),
    doc: message.doc_string ?? '',
    overload: message.overload ?? '',
    origin: message,
  }
}

function functionOf(message: Message<'FunctionProto'>, source: Source): FunctionDef {
  const where = `function '${message.name ?? ''}'`
  return {
    name: message.name ?? '',
    domain: domainOf(message.domain),
    overload: message.overload ?? '',
    inputs: [...(message.input ?? [])],
    outputs: [...(message.output ?? [])],
    attributes: [...(message.attribute ?? [])],
    defaults: lastWins(
      message.attribute_proto,
      (a) => a.name ?? '',
      (a) => attributeOf(a, source, where),
    ),
    nodes: (message.node ?? []).map((n) => nodeOf(n, source)),
    opsets: opsetsOf(message.opset_import),
    doc: message.doc_string ?? '',
    origin: message,
  }
}

/** Which kind an attribute is; files of IR version 1 did not say. */
export function attributeType(message: Message<'AttributeProto'>): keyof typeof ATTRIBUTE_TYPES | undefined {
  if (message.type) return typeNames.get(message.type)
  if (message.f !== undefined) return 'float'
  if (message.i !== undefined) return 'int'
  if (message.s !== undefined) return 'string'
  if (message.t !== undefined) return 'tensor'
  if (message.g !== undefined) return 'graph'
  for (const list of ['floats', 'ints', 'strings', 'tensors', 'graphs'] as const) if (message[list]) return list
  return undefined
}

function attributeOf(message: Message<'AttributeProto'>, source: Source, where: string): Attribute {
  const type = attributeType(message)
  if (message.ref_attr_name) return { type: 'ref', value: message.ref_attr_name, of: type ?? '' }
  const tensor = (t: Message<'TensorProto'>): TensorData => tensorOf(t, source, `${where}: attribute '${message.name ?? ''}'`)
  switch (type) {
    case 'float':
      return { type, value: message.f ?? 0 }
    case 'int':
      return { type, value: message.i ?? 0 }
    case 'string':
      return { type, value: message.s ?? new Uint8Array(0) }
    case 'floats':
      return { type, value: message.floats ?? [] }
    case 'ints':
      return { type, value: message.ints ?? [] }
    case 'strings':
      return { type, value: message.strings ?? [] }
    case 'tensors':
      return { type, value: (message.tensors ?? []).map(tensor) }
    case 'graphs':
      return { type, value: (message.graphs ?? []).map((g) => graphOf(g, source)) }
    case 'tensor':
      if (message.t) return { type, value: tensor(message.t) }
      break
    case 'graph':
      if (message.g) return { type, value: graphOf(message.g, source) }
      break
    case undefined:
      // Sparse tensors and type protos (11 to 14) are carried; anything else no version of ONNX has.
      if (!message.type || message.type < 11 || message.type > 14)
        throw new ModelError(
          `${where}: attribute '${message.name ?? ''}' has no type that ONNX defines (${message.type ?? 'none'})`,
          {
            where: source.file,
          },
        )
  }
  return { type: 'other', value: message }
}
