/**
 * The messages of an ONNX file (onnx.proto of IR version 14 and all before it): field name to number, kind and oneof group.
 *
 * Kinds: the scalar kinds below, or the name of a message; `[]` marks a repeated field. The `bulk` kinds are the repeated
 * scalars of a tensor: they stay packed wire bytes until the tensor is touched, so a file of weights costs nothing to open.
 */
export const MESSAGES = {
  ModelProto: {
    ir_version: [1, 'int64'],
    producer_name: [2, 'string'],
    producer_version: [3, 'string'],
    domain: [4, 'string'],
    model_version: [5, 'int64'],
    doc_string: [6, 'string'],
    graph: [7, 'GraphProto'],
    opset_import: [8, 'OperatorSetIdProto[]'],
    metadata_props: [14, 'StringStringEntryProto[]'],
    training_info: [20, 'TrainingInfoProto[]'],
    functions: [25, 'FunctionProto[]'],
    configuration: [26, 'DeviceConfigurationProto[]'],
  },
  GraphProto: {
    node: [1, 'NodeProto[]'],
    name: [2, 'string'],
    initializer: [5, 'TensorProto[]'],
    doc_string: [10, 'string'],
    input: [11, 'ValueInfoProto[]'],
    output: [12, 'ValueInfoProto[]'],
    value_info: [13, 'ValueInfoProto[]'],
    quantization_annotation: [14, 'TensorAnnotation[]'],
    sparse_initializer: [15, 'SparseTensorProto[]'],
    metadata_props: [16, 'StringStringEntryProto[]'],
  },
  NodeProto: {
    input: [1, 'string[]'],
    output: [2, 'string[]'],
    name: [3, 'string'],
    op_type: [4, 'string'],
    attribute: [5, 'AttributeProto[]'],
    doc_string: [6, 'string'],
    domain: [7, 'string'],
    overload: [8, 'string'],
    metadata_props: [9, 'StringStringEntryProto[]'],
    device_configurations: [10, 'NodeDeviceConfigurationProto[]'],
  },
  AttributeProto: {
    name: [1, 'string'],
    f: [2, 'float'],
    i: [3, 'int64'],
    s: [4, 'bytes'],
    t: [5, 'TensorProto'],
    g: [6, 'GraphProto'],
    floats: [7, 'float[]'],
    ints: [8, 'int64[]'],
    strings: [9, 'bytes[]'],
    tensors: [10, 'TensorProto[]'],
    graphs: [11, 'GraphProto[]'],
    doc_string: [13, 'string'],
    tp: [14, 'TypeProto'],
    type_protos: [15, 'TypeProto[]'],
    type: [20, 'int32'],
    ref_attr_name: [21, 'string'],
    sparse_tensor: [22, 'SparseTensorProto'],
    sparse_tensors: [23, 'SparseTensorProto[]'],
  },
  ValueInfoProto: {
    name: [1, 'string'],
    type: [2, 'TypeProto'],
    doc_string: [3, 'string'],
    metadata_props: [4, 'StringStringEntryProto[]'],
  },
  TensorProto: {
    dims: [1, 'int64[]'],
    data_type: [2, 'int32'],
    segment: [3, 'Segment'],
    float_data: [4, 'bulk32'],
    int32_data: [5, 'bulkVarint'],
    string_data: [6, 'bytes[]'],
    int64_data: [7, 'bulkVarint'],
    name: [8, 'string'],
    raw_data: [9, 'bytes'],
    double_data: [10, 'bulk64'],
    uint64_data: [11, 'bulkVarint'],
    doc_string: [12, 'string'],
    external_data: [13, 'StringStringEntryProto[]'],
    data_location: [14, 'int32'],
    metadata_props: [16, 'StringStringEntryProto[]'],
  },
  Segment: { begin: [1, 'int64'], end: [2, 'int64'] },
  SparseTensorProto: { values: [1, 'TensorProto'], indices: [2, 'TensorProto'], dims: [3, 'int64[]'] },
  TypeProto: {
    tensor_type: [1, 'TensorType', 'value'],
    sequence_type: [4, 'ElementType', 'value'],
    map_type: [5, 'MapType', 'value'],
    denotation: [6, 'string'],
    opaque_type: [7, 'OpaqueType', 'value'],
    sparse_tensor_type: [8, 'TensorType', 'value'],
    optional_type: [9, 'ElementType', 'value'],
  },
  TensorType: { elem_type: [1, 'int32'], shape: [2, 'TensorShapeProto'] },
  ElementType: { elem_type: [1, 'TypeProto'] },
  MapType: { key_type: [1, 'int32'], value_type: [2, 'TypeProto'] },
  OpaqueType: { domain: [1, 'string'], name: [2, 'string'] },
  TensorShapeProto: { dim: [1, 'Dimension[]'] },
  Dimension: { dim_value: [1, 'int64', 'value'], dim_param: [2, 'string', 'value'], denotation: [3, 'string'] },
  FunctionProto: {
    name: [1, 'string'],
    input: [4, 'string[]'],
    output: [5, 'string[]'],
    attribute: [6, 'string[]'],
    node: [7, 'NodeProto[]'],
    doc_string: [8, 'string'],
    opset_import: [9, 'OperatorSetIdProto[]'],
    domain: [10, 'string'],
    attribute_proto: [11, 'AttributeProto[]'],
    value_info: [12, 'ValueInfoProto[]'],
    overload: [13, 'string'],
    metadata_props: [14, 'StringStringEntryProto[]'],
  },
  TrainingInfoProto: {
    initialization: [1, 'GraphProto'],
    algorithm: [2, 'GraphProto'],
    initialization_binding: [3, 'StringStringEntryProto[]'],
    update_binding: [4, 'StringStringEntryProto[]'],
  },
  OperatorSetIdProto: { domain: [1, 'string'], version: [2, 'int64'] },
  StringStringEntryProto: { key: [1, 'string'], value: [2, 'string'] },
  TensorAnnotation: { tensor_name: [1, 'string'], quant_parameter_tensor_names: [2, 'StringStringEntryProto[]'] },
  DeviceConfigurationProto: { name: [1, 'string'], num_devices: [2, 'int32'], device: [3, 'string[]'] },
  NodeDeviceConfigurationProto: {
    configuration_id: [1, 'string'],
    sharding_spec: [2, 'ShardingSpecProto[]'],
    pipeline_stage: [3, 'int32'],
  },
  ShardingSpecProto: {
    tensor_name: [1, 'string'],
    device: [2, 'int64[]'],
    index_to_device_group_map: [3, 'IntIntListEntryProto[]'],
    sharded_dim: [4, 'ShardedDimProto[]'],
  },
  IntIntListEntryProto: { key: [1, 'int64'], value: [2, 'int64[]'] },
  ShardedDimProto: { axis: [1, 'int64'], simple_sharding: [2, 'SimpleShardedDimProto[]'] },
  SimpleShardedDimProto: { dim_value: [1, 'int64', 'dim'], dim_param: [2, 'string', 'dim'], num_shards: [3, 'int64'] },
} as const

export type MessageName = keyof typeof MESSAGES

interface Scalars {
  int32: number
  /** A number where it is exact, a bigint beyond 2^53. */
  int64: number | bigint
  float: number
  /** Bytes that are not UTF-8 are kept as lone surrogates, see `text.ts`. */
  string: string
  /** A view of the file. */
  bytes: Uint8Array
  bulk32: Uint8Array
  bulk64: Uint8Array
  bulkVarint: Uint8Array
}

type ValueOf<K> = K extends `${infer E}[]`
  ? ValueOf<E>[]
  : K extends keyof Scalars
    ? Scalars[K]
    : K extends MessageName
      ? Message<K>
      : never

/** A message as read: absent fields are absent, unknown ones are kept as they stood (tag and payload). */
export type Message<N extends MessageName> = {
  -readonly [F in keyof (typeof MESSAGES)[N]]?: (typeof MESSAGES)[N][F] extends readonly [number, infer K, ...unknown[]]
    ? ValueOf<K>
    : never
} & { unknownFields?: Uint8Array[] }

export type ScalarKind = keyof Scalars
export interface Field {
  number: number
  name: string
  kind: ScalarKind | 'message'
  message: Descriptor | undefined
  repeated: boolean
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  wire: number
  /** The other members of its oneof, cleared when this one is read. */
  rivals: string[]
}

export interface Descriptor {
  name: MessageName
  /** Indexed by field number. */
  byNumber: (Field | undefined)[]
  /** In the order they are written. */
  fields: Field[]
}

const WIRE: Record<ScalarKind, number> = {
  int32: 0,
  int64: 0,
  float: 5,
  string: 2,
  bytes: 2,
  bulk32: 2,
  bulk64: 2,
  bulkVarint: 2,
}

function compile(): Record<MessageName, Descriptor> {
  const all = Object.fromEntries(
    Object.keys(MESSAGES).map((name) => [name, { name, byNumber: [], fields: [] }]),
  ) as unknown as Record<MessageName, Descriptor>
  for (const [name, table] of Object.entries(MESSAGES)) {
    const descriptor = all[name as MessageName]
    const rows = Object.entries(table) as [string, readonly [number, string, string?]][]
    for (const [field, [number, spec, oneof]] of rows) {
      const repeated = spec.endsWith('[]')
      const kind = repeated ? spec.slice(0, -2) : spec
      const message = kind in all ? all[kind as MessageName] : undefined
      const rivals = oneof === undefined ? [] : rows.filter(([f, row]) => f !== field && row[2] === oneof).map(([f]) => f)
      descriptor.byNumber[number] = {
        number,
        name: field,
        kind: message ? 'message' : (kind as ScalarKind),
        message,
        repeated,
        wire: message ? 2 : WIRE[kind as ScalarKind],
        rivals,
      }
    }
    // Array holes (reserved numbers) are skipped by filter.
    descriptor.fields = descriptor.byNumber.filter((f) => f !== undefined)
  }
  return all
}

export const DESCRIPTORS = compile()
