import type { Attribute, FunctionDef, Graph, Model, Node, TensorData } from '../ir/index.ts'
import { DATA_TYPES } from '../ir/index.ts'
import { ATTRIBUTE_TYPES, attributeType, domainOf, opsetsOf } from './fromMessage.ts'
import type { Message } from './schema.ts'
import { originOf } from './tensor.ts'
import { encodeValue } from './types.ts'

/** Decides where a tensor's bytes go; gets the message as it would be written and gives the one to write. */
export type Placement = (
  tensor: TensorData,
  message: Message<'TensorProto'>,
  use: 'initializer' | 'attribute',
) => Message<'TensorProto'>

/**
 * The message of a model: what the file said (`origin`), with what the graph says now laid over it. Fields that did not
 * change are those of the file, so an untouched model gives an equal message.
 */
export function modelMessage(model: Model, place: Placement): Message<'ModelProto'> {
  const old = (model.origin ?? {}) as Message<'ModelProto'>
  const sameOpsets = sameEntries(model.opsets, opsetsOf(old.opset_import, Number(old.ir_version ?? (model.origin ? 0 : 3))))
  return {
    ...old,
    ir_version: int(old.ir_version, model.irVersion),
    producer_name: text(old.producer_name, model.producerName),
    producer_version: text(old.producer_version, model.producerVersion),
    domain: text(old.domain, model.domain),
    model_version: int(old.model_version, model.modelVersion),
    doc_string: text(old.doc_string, model.doc),
    opset_import: sameOpsets ? old.opset_import : opsetList(old.opset_import, model.opsets),
    metadata_props: layOver(
      old.metadata_props,
      model.metadata,
      (e) => e.key ?? '',
      (key, value, was) => (was && (was.value ?? '') === value ? was : { ...was, key, value }),
    ),
    graph: graphMessage(model.graph, place),
    functions: some(
      old.functions,
      model.functions.map((f) => functionMessage(f, place)),
    ),
  }
}

const sameEntries = <V>(a: Map<string, V>, b: Map<string, V>): boolean =>
  a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)

const opsetList = (old: Message<'OperatorSetIdProto'>[] | undefined, opsets: Map<string, number>) =>
  layOver(
    old,
    opsets,
    (o) => domainOf(o.domain),
    (domain, version, was) => (was && Number(was.version ?? 0) === version ? was : { domain, ...was, version }),
  )

/** A scalar as the file had it where it means the same; absent where it is the default and was absent. */
const text = (old: string | undefined, now: string) => (now === (old ?? '') ? old : now)
const int = (old: number | bigint | undefined, now: number) => (now === Number(old ?? 0) ? old : now)
/** An empty list that the file did not have stays absent. */
const some = <T>(old: T[] | undefined, now: T[]): T[] | undefined => (now.length > 0 ? now : old && now)

/**
 * The list of a map, each entry made with the old one of its name. Entries of the file that a later one of the same name
 * hides are put back at their places: they are wrong, but not ours to drop.
 */
function layOver<M, V>(
  old: M[] | undefined,
  map: Map<string, V>,
  key: (m: M) => string,
  make: (name: string, value: V, was: M | undefined) => M,
): M[] | undefined {
  const last = new Map((old ?? []).map((item) => [key(item), item]))
  const out = [...map].map(([name, value]) => make(name, value, last.get(name)))
  old?.forEach((item, at) => {
    if (last.get(key(item)) !== item && map.has(key(item))) out.splice(Math.min(at, out.length), 0, item)
  })
  return some(old, out)
}

export function graphMessage(graph: Graph, place: Placement): Message<'GraphProto'> {
  const old = (graph.origin ?? {}) as Message<'GraphProto'>
  // Sparse initializers that nobody replaced go back as they were.
  const dense = new Map([...graph.initializers].filter(([, t]) => !originOf(t)?.sparse))
  const sparse = [...graph.initializers].filter(([, t]) => originOf(t)?.sparse)
  return {
    ...old,
    name: text(old.name, graph.name),
    doc_string: text(old.doc_string, graph.doc),
    node: some(
      old.node,
      graph.nodes.map((n) => nodeMessage(n, place)),
    ),
    input: some(old.input, graph.inputs.map(encodeValue)),
    output: some(old.output, graph.outputs.map(encodeValue)),
    value_info: layOver(
      old.value_info,
      graph.values,
      (v) => v.name ?? '',
      (_, value) => encodeValue(value),
    ),
    initializer: layOver(
      old.initializer,
      dense,
      (t) => t.name ?? '',
      (name, tensor) => place(tensor, tensorMessage(tensor, name), 'initializer'),
    ),
    sparse_initializer: some(
      old.sparse_initializer,
      sparse.map(([name, t]) => {
        const message = originOf(t)!.sparse!
        return message.values?.name === name ? message : { ...message, values: { ...message.values, name } }
      }),
    ),
  }
}

/** A tensor as the file had it, or as raw bytes where its data is new. */
export function tensorMessage(tensor: TensorData, name: string | undefined): Message<'TensorProto'> {
  const origin = originOf(tensor)
  if (origin && !origin.sparse) {
    const { message } = origin
    return name === undefined || (message.name ?? '') === name ? message : { ...message, name }
  }
  return {
    ...(tensor.dims.length > 0 ? { dims: [...tensor.dims] } : {}),
    data_type: DATA_TYPES[tensor.dtype].code,
    ...(name === undefined ? {} : { name }),
    ...(tensor.strings ? { string_data: [...tensor.strings] } : { raw_data: tensor.bytes }),
  }
}

export function nodeMessage(node: Node, place: Placement): Message<'NodeProto'> {
  const old = (node.origin ?? {}) as Message<'NodeProto'>
  return {
    ...old,
    input: some(old.input, node.inputs),
    output: some(old.output, node.outputs),
    name: text(old.name, node.name),
    op_type: text(old.op_type, node.op),
    domain: domainOf(old.domain) === node.domain ? old.domain : node.domain,
    overload: text(old.overload, node.overload),
    doc_string: text(old.doc_string, node.doc),
    attribute: attributeList(old.attribute, node.attrs, place),
  }
}

const attributeList = (old: Message<'AttributeProto'>[] | undefined, attrs: Map<string, Attribute>, place: Placement) =>
  layOver(
    old,
    attrs,
    (a) => a.name ?? '',
    (name, value, was) => attributeMessage(name, value, was, place),
  )

function functionMessage(def: FunctionDef, place: Placement): Message<'FunctionProto'> {
  const old = (def.origin ?? {}) as Message<'FunctionProto'>
  return {
    ...old,
    name: text(old.name, def.name),
    domain: domainOf(old.domain) === def.domain ? old.domain : def.domain,
    overload: text(old.overload, def.overload),
    input: some(old.input, def.inputs),
    output: some(old.output, def.outputs),
    attribute: some(old.attribute, def.attributes),
    attribute_proto: attributeList(old.attribute_proto, def.defaults, place),
    node: some(
      old.node,
      def.nodes.map((n) => nodeMessage(n, place)),
    ),
    doc_string: text(old.doc_string, def.doc),
    opset_import: opsetList(old.opset_import, def.opsets),
  }
}

const VALUE_FIELDS = ['f', 'i', 's', 't', 'g', 'floats', 'ints', 'strings', 'tensors', 'graphs', 'ref_attr_name'] as const

function attributeMessage(
  name: string,
  attribute: Attribute,
  old: Message<'AttributeProto'> | undefined,
  place: Placement,
): Message<'AttributeProto'> {
  if (attribute.type === 'other') return { ...(attribute.value as Message<'AttributeProto'>), name }
  const message: Message<'AttributeProto'> = { ...old, name }
  const kind = attribute.type === 'ref' ? attribute.of : attribute.type
  if (!old || attributeType(old) !== kind || Boolean(old.ref_attr_name) !== (attribute.type === 'ref')) {
    for (const field of VALUE_FIELDS) delete message[field]
    message.type = ATTRIBUTE_TYPES[kind as keyof typeof ATTRIBUTE_TYPES] ?? 0
  }
  const tensor = (t: TensorData) => place(t, tensorMessage(t, undefined), 'attribute')
  switch (attribute.type) {
    case 'ref':
      message.ref_attr_name = attribute.value
      break
    case 'float':
      if (old?.f !== undefined || attribute.value !== 0 || !old) message.f = attribute.value
      break
    case 'int':
      if (old?.i !== undefined || Number(attribute.value) !== 0 || !old) message.i = attribute.value
      break
    case 'string':
      if (old?.s !== undefined || attribute.value.length > 0 || !old) message.s = attribute.value
      break
    case 'floats':
      message.floats = some(old?.floats, attribute.value as number[])
      break
    case 'ints':
      message.ints = some(old?.ints, attribute.value as (number | bigint)[])
      break
    case 'strings':
      message.strings = some(old?.strings, attribute.value as Uint8Array[])
      break
    case 'tensor':
      message.t = tensor(attribute.value)
      break
    case 'graph':
      message.g = graphMessage(attribute.value, place)
      break
    case 'tensors':
      message.tensors = some(old?.tensors, attribute.value.map(tensor))
      break
    case 'graphs':
      message.graphs = some(
        old?.graphs,
        attribute.value.map((g) => graphMessage(g, place)),
      )
  }
  return message
}
