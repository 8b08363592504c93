import { ModelError } from '../errors.ts'
import { DESCRIPTORS, type Descriptor, type Field, type Message, type MessageName } from './schema.ts'
import { encodeText, textLength } from './text.ts'

/** A protobuf message must stay below 2 GiB: readers hold its length in a signed 32-bit number. */
export const MAX_MESSAGE = 2 ** 31 - 1

type Loose = Record<string, unknown> & { unknownFields?: Uint8Array[] }

/**
 * Bytes of a message: fields by number, then the unknown ones as they stood; the same message gives the same bytes.
 * The size is measured first, so that the one buffer is all that is allocated.
 * Errors: ModelError beyond 2 GiB.
 */
export function encodeMessage<N extends MessageName>(name: N, message: Message<N>): Uint8Array {
  const sizes: number[] = []
  const size = measure(DESCRIPTORS[name], message, sizes)
  if (size > MAX_MESSAGE)
    throw new ModelError(`the model takes ${(size / 2 ** 30).toFixed(2)} GiB, a single ONNX file holds at most 2 GiB`, {
      hint: 'write it with external data: the weights then go to a file beside it',
    })
  const out = Buffer.allocUnsafeSlow(size)
  write(DESCRIPTORS[name], message, new Sink(out, sizes))
  return new Uint8Array(out.buffer, out.byteOffset, size)
}

class Sink {
  readonly out: Buffer
  /** Lengths of the messages within, in the order both walks meet them. */
  readonly sizes: number[]
  pos = 0
  next = 0

  constructor(out: Buffer, sizes: number[]) {
    this.out = out
    this.sizes = sizes
  }

  varint(value: number | bigint): void {
    const [lo, hi] = halves(value)
    let low = lo
    let high = hi
    while (high !== 0 || low > 0x7f) {
      this.out[this.pos++] = (low & 0x7f) | 0x80
      low = ((low >>> 7) | (high << 25)) >>> 0
      high >>>= 7
    }
    this.out[this.pos++] = low
  }

  bytes(value: Uint8Array): void {
    this.out.set(value, this.pos)
    this.pos += value.length
  }
}

/** Low and high 32 bits of the two's complement. */
function halves(value: number | bigint): [number, number] {
  if (typeof value === 'number') {
    const hi = Math.floor(value / 2 ** 32)
    return [value >>> 0 === value ? value : value - hi * 2 ** 32, hi >>> 0]
  }
  const bits = BigInt.asUintN(64, value)
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)]
}

function varintSize(value: number | bigint): number {
  if (typeof value === 'number' && value >= 0) {
    let size = 1
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++
    return size
  }
  if (value < 0) return 10
  let size = 1
  for (let rest = value as bigint; rest >= 128n; rest >>= 7n) size++
  return size
}

const tagSize = (field: Field): number => (field.number < 16 ? 1 : 2)

const itemsOf = (field: Field, message: Loose): readonly unknown[] => {
  const value = message[field.name]
  return value === undefined ? [] : field.repeated ? (value as readonly unknown[]) : [value]
}

function measure(descriptor: Descriptor, message: Loose, sizes: number[]): number {
  let total = 0
  for (const field of descriptor.fields)
    for (const item of itemsOf(field, message)) {
      total += tagSize(field)
      if (field.kind === 'int32' || field.kind === 'int64') total += varintSize(item as number)
      else if (field.kind === 'float') total += 4
      else {
        let length: number
        if (field.kind === 'message') {
          const slot = sizes.push(0) - 1
          length = measure(field.message!, item as Loose, sizes)
          sizes[slot] = length
        } else length = field.kind === 'string' ? textLength(item as string) : (item as Uint8Array).length
        total += varintSize(length) + length
      }
    }
  for (const raw of message.unknownFields ?? []) total += raw.length
  return total
}

function write(descriptor: Descriptor, message: Loose, sink: Sink): void {
  for (const field of descriptor.fields)
    for (const item of itemsOf(field, message)) {
      sink.varint(field.number * 8 + field.wire)
      switch (field.kind) {
        case 'int32':
        case 'int64':
          sink.varint(item as number | bigint)
          break
        case 'float':
          sink.pos = sink.out.writeFloatLE(item as number, sink.pos)
          break
        case 'message':
          sink.varint(sink.sizes[sink.next++]!)
          write(field.message!, item as Loose, sink)
          break
        default: {
          const bytes = field.kind === 'string' ? encodeText(item as string) : (item as Uint8Array)
          sink.varint(bytes.length)
          sink.bytes(bytes)
        }
      }
    }
  for (const raw of message.unknownFields ?? []) sink.bytes(raw)
}
