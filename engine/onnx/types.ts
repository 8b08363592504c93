import { DATA_TYPES, dataTypeOf, type Dim, type Shape, type ValueInfo, type ValueType } from '../ir/index.ts'
import type { Message } from './schema.ts'

/** Type of a message; undefined where it is missing or of an element type that ONNX does not define. */
export function decodeType(message: Message<'TypeProto'> | undefined): ValueType | undefined {
  if (!message) return undefined
  const { tensor_type: tensor, sparse_tensor_type: sparse, sequence_type: sequence, optional_type: optional } = message
  const held = tensor ?? sparse
  if (held) {
    const dtype = dataTypeOf(held.elem_type ?? 0)
    return dtype && { kind: tensor ? 'tensor' : 'sparse', dtype, shape: decodeShape(held.shape) }
  }
  if (sequence) return { kind: 'sequence', of: decodeType(sequence.elem_type) }
  if (optional) return { kind: 'optional', of: decodeType(optional.elem_type) }
  if (message.map_type) {
    const key = dataTypeOf(message.map_type.key_type ?? 0)
    return key && { kind: 'map', key, value: decodeType(message.map_type.value_type) }
  }
  if (message.opaque_type) return { kind: 'opaque', domain: message.opaque_type.domain ?? '', name: message.opaque_type.name ?? '' }
  return undefined
}

const decodeShape = (shape: Message<'TensorShapeProto'> | undefined): Shape | undefined =>
  shape &&
  (shape.dim ?? []).map((dim): Dim => {
    if (dim.dim_value === undefined) return dim.dim_param ?? ''
    // Some exporters write -1 for 'any size'; ONNX Runtime reads it so, too.
    return dim.dim_value < 0 ? '' : Number(dim.dim_value)
  })

export function encodeType(type: ValueType): Message<'TypeProto'> {
  switch (type.kind) {
    case 'tensor':
    case 'sparse': {
      const held: Message<'TensorType'> = { elem_type: DATA_TYPES[type.dtype].code }
      if (type.shape)
        held.shape = {
          dim: type.shape.map((d) => (typeof d === 'number' ? { dim_value: d } : d === '' ? {} : { dim_param: d })),
        }
      return type.kind === 'tensor' ? { tensor_type: held } : { sparse_tensor_type: held }
    }
    case 'sequence':
      return { sequence_type: type.of ? { elem_type: encodeType(type.of) } : {} }
    case 'optional':
      return { optional_type: type.of ? { elem_type: encodeType(type.of) } : {} }
    case 'map':
      return {
        map_type: { key_type: DATA_TYPES[type.key].code, ...(type.value ? { value_type: encodeType(type.value) } : {}) },
      }
    case 'opaque':
      return { opaque_type: { domain: type.domain, name: type.name } }
  }
}

/** The value's message; the type as the file had it (denotations and all) unless it was changed. */
export function encodeValue(value: ValueInfo): Message<'ValueInfoProto'> {
  const old = value.origin as Message<'ValueInfoProto'> | undefined
  const message: Message<'ValueInfoProto'> = { ...old }
  if (value.name !== (old?.name ?? '')) message.name = value.name
  if (JSON.stringify(decodeType(old?.type)) !== JSON.stringify(value.type)) {
    if (value.type) message.type = { ...encodeType(value.type), ...denotation(old) }
    else delete message.type
  }
  return message
}

const denotation = (old: Message<'ValueInfoProto'> | undefined) =>
  old?.type?.denotation === undefined ? {} : { denotation: old.type.denotation }
