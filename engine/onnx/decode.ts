import { ModelError } from '../errors.ts'
import { DESCRIPTORS, type Descriptor, type Field, type Message, type MessageName } from './schema.ts'
import { decodeText } from './text.ts'

/** Messages within messages; protobuf's own readers, ONNX Runtime's included, stop at 100. */
const MAX_DEPTH = 100

type Loose = Record<string, unknown> & { unknownFields?: Uint8Array[] }

/** What is wrong, where: the path grows as the failure travels outwards. */
class WireError extends Error {
  readonly offset: number
  path = ''
  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/**
 * Reads a message. Bytes fields are views of `bytes`; nothing is allocated for a length that the bytes do not back.
 * Errors: ModelError naming `file`, the path of the message and the byte offset.
 */
export function decodeMessage<N extends MessageName>(name: N, bytes: Uint8Array, file: string): Message<N> {
  // A plain view: a Buffer's `subarray` gives Buffers, which compare unequal to the same bytes in a Uint8Array.
  const cursor = new Cursor(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length))
  try {
    return readMessage(DESCRIPTORS[name], cursor, bytes.length, 0, {}) as Message<N>
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    const path = error.path ? `${name}${error.path}` : name
    throw new ModelError(`not a readable ONNX file: ${path}: ${error.message} (byte ${error.offset} of ${bytes.length})`, {
      where: file,
      hint: 'the file is damaged, cut short or of another format',
      cause: error,
    })
  }
}

/** Reads wire primitives; a varint's halves are left in `lo` and `hi` to spare an allocation each. */
class Cursor {
  readonly bytes: Uint8Array
  readonly view: DataView
  pos = 0
  lo = 0
  hi = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  varint(end: number): void {
    const start = this.pos
    let lo = 0
    let hi = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= end) throw new WireError('a number runs past the end', start)
      const byte = this.bytes[this.pos++]!
      const part = byte & 0x7f
      if (shift < 28) lo |= part << shift
      else if (shift === 28) {
        lo |= part << 28
        hi = part >>> 4
      } else hi |= part << (shift - 32)
      if (byte < 0x80) {
        this.lo = lo
        this.hi = hi
        return
      }
    }
    throw new WireError('a number of more than ten bytes', start)
  }

  /** End of the length-delimited field that starts here. */
  span(end: number): number {
    const start = this.pos
    this.varint(end)
    const length = (this.hi >>> 0) * 2 ** 32 + (this.lo >>> 0)
    if (length > end - this.pos)
      throw new WireError(`a length of ${length} runs past the end, ${end - this.pos} bytes are left`, start)
    return this.pos + length
  }

  need(count: number, end: number): void {
    if (end - this.pos < count) throw new WireError(`${count} bytes expected, ${end - this.pos} are left`, this.pos)
  }

  int64(): number | bigint {
    const near = (this.hi | 0) * 2 ** 32 + (this.lo >>> 0)
    if (Number.isSafeInteger(near)) return near
    return BigInt.asIntN(64, (BigInt(this.hi >>> 0) << 32n) | BigInt(this.lo >>> 0))
  }
}

function readMessage(descriptor: Descriptor, cursor: Cursor, end: number, depth: number, into: Loose): Loose {
  if (depth > MAX_DEPTH) throw new WireError(`messages nested deeper than ${MAX_DEPTH}`, cursor.pos)
  while (cursor.pos < end) {
    const start = cursor.pos
    cursor.varint(end)
    const number = cursor.lo >>> 3
    const wire = cursor.lo & 7
    if (number === 0 || cursor.hi !== 0) throw new WireError('a field number that cannot be', start)
    const field = descriptor.byNumber[number]
    if (field && (wire === field.wire || isPackable(field, wire))) {
      for (const rival of field.rivals) delete into[rival]
      try {
        readField(field, wire, cursor, end, depth, into)
      } catch (error) {
        if (error instanceof WireError) {
          const list = into[field.name]
          // A list holds the items before the one at fault.
          error.path = `.${field.name}${field.repeated ? `[${Array.isArray(list) ? list.length : 0}]` : ''}${error.path}`
        }
        throw error
      }
    } else {
      skip(wire, number, cursor, end, depth)
      const raw = cursor.bytes.subarray(start, cursor.pos)
      if (into.unknownFields) into.unknownFields.push(raw)
      else into.unknownFields = [raw]
    }
  }
  return into
}

/** Repeated numbers come packed or one by one, whatever the description says. */
function isPackable(field: Field, wire: number): boolean {
  switch (field.kind) {
    case 'int32':
    case 'int64':
    case 'float':
      return field.repeated && wire === 2
    case 'bulk32':
      return wire === 5
    case 'bulk64':
      return wire === 1
    case 'bulkVarint':
      return wire === 0
    default:
      return false
  }
}

function readField(field: Field, wire: number, cursor: Cursor, end: number, depth: number, into: Loose): void {
  const { name, kind } = field
  if (kind === 'bulk32' || kind === 'bulk64' || kind === 'bulkVarint') {
    into[name] = append(into[name] as Uint8Array | undefined, readBulk(kind, wire, cursor, end))
    return
  }
  if (kind === 'message') {
    const stop = cursor.span(end)
    // A single message given twice is merged, as protobuf asks.
    const base = field.repeated ? {} : ((into[name] as Loose | undefined) ?? {})
    const value = readMessage(field.message!, cursor, stop, depth + 1, base)
    if (field.repeated) push(into, name, value)
    else into[name] = value
    return
  }
  if (wire === 2 && field.wire !== 2) {
    const stop = cursor.span(end)
    if (into[name] === undefined) into[name] = []
    while (cursor.pos < stop) push(into, name, readScalar(kind, cursor, stop))
    return
  }
  const value = readScalar(kind, cursor, end)
  if (field.repeated) push(into, name, value)
  else into[name] = value
}

function push(into: Loose, name: string, value: unknown): void {
  const list = into[name] as unknown[] | undefined
  if (list) list.push(value)
  else into[name] = [value]
}

function readScalar(kind: string, cursor: Cursor, end: number): unknown {
  switch (kind) {
    case 'int32':
      cursor.varint(end)
      return cursor.lo | 0
    case 'int64':
      cursor.varint(end)
      return cursor.int64()
    case 'float':
      cursor.need(4, end)
      cursor.pos += 4
      return cursor.view.getFloat32(cursor.pos - 4, true)
    default: {
      const stop = cursor.span(end)
      const raw = cursor.bytes.subarray(cursor.pos, stop)
      cursor.pos = stop
      return kind === 'string' ? decodeText(raw) : raw
    }
  }
}

function readBulk(kind: string, wire: number, cursor: Cursor, end: number): Uint8Array {
  let start = cursor.pos
  if (wire === 2) {
    const stop = cursor.span(end)
    start = cursor.pos
    cursor.pos = stop
    const unit = kind === 'bulk32' ? 4 : kind === 'bulk64' ? 8 : 1
    if ((stop - start) % unit !== 0) throw new WireError(`a list of ${stop - start} bytes is not whole ${unit}-byte numbers`, start)
    if (kind === 'bulkVarint' && stop > start && cursor.bytes[stop - 1]! >= 0x80)
      throw new WireError('a list ends within a number', stop)
  } else if (wire === 0) cursor.varint(end)
  else {
    const unit = wire === 5 ? 4 : 8
    cursor.need(unit, end)
    cursor.pos += unit
  }
  return cursor.bytes.subarray(start, cursor.pos)
}

/** Lists in several pieces are joined; the room doubles, so that numbers given one by one stay linear. */
function append(base: Uint8Array | undefined, more: Uint8Array): Uint8Array {
  if (base === undefined || base.length === 0) return more
  const length = base.length + more.length
  // Only a buffer made here (it starts at 0 and is not the file's) has spare room behind the view.
  const owned = grown.has(base.buffer) && base.buffer.byteLength >= length
  if (owned) {
    const wider = new Uint8Array(base.buffer, 0, length)
    wider.set(more, base.length)
    return wider
  }
  const buffer = new ArrayBuffer(length * 2)
  grown.add(buffer)
  const wider = new Uint8Array(buffer, 0, length)
  wider.set(base)
  wider.set(more, base.length)
  return wider
}

const grown = new WeakSet<ArrayBufferLike>()

function skip(wire: number, number: number, cursor: Cursor, end: number, depth: number): void {
  if (wire === 0) cursor.varint(end)
  else if (wire === 1 || wire === 5) {
    const size = wire === 1 ? 8 : 4
    cursor.need(size, end)
    cursor.pos += size
  } else if (wire === 2) cursor.pos = cursor.span(end)
  else if (wire === 3) skipGroup(number, cursor, end, depth + 1)
  else throw new WireError(`a field of wire type ${wire}, which does not exist`, cursor.pos)
}

function skipGroup(number: number, cursor: Cursor, end: number, depth: number): void {
  if (depth > MAX_DEPTH) throw new WireError(`groups nested deeper than ${MAX_DEPTH}`, cursor.pos)
  for (;;) {
    const start = cursor.pos
    cursor.varint(end)
    const wire = cursor.lo & 7
    const inner = cursor.lo >>> 3
    if (wire === 4) {
      if (inner !== number) throw new WireError('a group that ends another', start)
      return
    }
    skip(wire, inner, cursor, end, depth)
  }
}
