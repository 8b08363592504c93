import { describe, expect, it } from 'vitest'
import { ModelError } from '../errors.ts'
import { decodeMessage } from './decode.ts'
import { encodeMessage } from './encode.ts'
import { decodeText, encodeText } from './text.ts'

/** A length-delimited field, the length below 128. */
const field = (number: number, ...bytes: number[]): number[] => [number * 8 + 2, bytes.length, ...bytes]
const decode = (...bytes: number[]) => decodeMessage('AttributeProto', Uint8Array.from(bytes), 'f')

describe('messages', () => {
  it('takes repeated numbers packed, one by one, and mixed', () => {
    expect(decode(...field(8, 1, 2, 0x80, 0x01)).ints).toEqual([1, 2, 128])
    expect(decode(0x40, 1, 0x40, 2).ints).toEqual([1, 2])
    expect(decode(0x40, 1, ...field(8, 2, 3)).ints).toEqual([1, 2, 3])
    expect(decode(0x3d, 0, 0, 0x80, 0x3f, ...field(7, 0, 0, 0, 0x40)).floats).toEqual([1, 2])
  })

  it('reads 64-bit integers exactly', () => {
    const ff = new Array<number>(9).fill(0xff)
    expect(decode(0x18, ...ff, 1).i).toBe(-1)
    expect(decode(0x18, ...ff.slice(1), 0x7f).i).toBe(9223372036854775807n)
    expect(decode(0x18, ...new Array<number>(9).fill(0x80), 1).i).toBe(-9223372036854775808n)
    expect(decode(0x18, ...ff.slice(2), 0x0f).i).toBe(Number.MAX_SAFE_INTEGER)
    for (const i of [0, 1, -1, 127, 128, 2 ** 31, 2 ** 32, -(2 ** 31) - 1, 2 ** 53 - 1, 2n ** 53n, -(2n ** 63n), 2n ** 63n - 1n])
      expect(decodeMessage('AttributeProto', encodeMessage('AttributeProto', { i }), 'f').i).toBe(i)
  })

  it('gives bytes as views of the file', () => {
    const file = Uint8Array.from(field(4, 7, 8, 9))
    const { s } = decodeMessage('AttributeProto', file, 'f')
    expect([s!.buffer, s!.byteOffset, s!.length]).toEqual([file.buffer, 2, 3])
  })

  it('keeps unknown fields, groups and known numbers of another wire type as they stood', () => {
    const unknown = [
      [0xf8, 0x07, 0x96, 0x01], // field 127, a number
      [0xfb, 0x07, 0x08, 0x05, 0xfc, 0x07], // field 127, a group
      [0x1d, 1, 2, 3, 4], // field 3 (i), but four bytes
      [0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8], // field 127, eight bytes
    ]
    const message = decode(...field(1, 0x61), ...unknown.flat())
    expect(message.unknownFields!.map((raw) => [...raw])).toEqual(unknown)
    expect([...encodeMessage('AttributeProto', message)]).toEqual([...field(1, 0x61), ...unknown.flat()])
  })

  it('merges a message given twice and lets the last of a oneof win', () => {
    const dim = decodeMessage('Dimension', Uint8Array.from([0x08, 3, ...field(2, 0x4e)]), 'f')
    expect(dim).toEqual({ dim_param: 'N' })
    const tensor = decode(...field(5, 0x08, 2), ...field(5, 0x08, 3)).t
    expect(tensor).toEqual({ dims: [2, 3] })
  })

  it('joins the numbers of a tensor that come in pieces', () => {
    const tensor = decodeMessage('TensorProto', Uint8Array.from([0x28, 1, 0x28, 2, ...field(5, 3, 0x80, 1), 0x28, 4]), 'f')
    expect([...tensor.int32_data!]).toEqual([1, 2, 3, 0x80, 1, 4])
  })
})

describe('damaged files', () => {
  const fails = (bytes: number[], message: RegExp) => {
    const attempt = () => decodeMessage('ModelProto', Uint8Array.from(bytes), 'm.onnx')
    expect(attempt).toThrow(ModelError)
    expect(attempt).toThrow(message)
  }

  it('names the path and the byte of a length that runs past the end', () => {
    // model.graph (7) > node (1), the second of which claims 100 bytes.
    fails([0x3a, 4, 0x0a, 0, 0x0a, 100], /ModelProto\.graph\.node\[1\]: a length of 100 runs past the end.*\(byte 5 of 6\)/)
  })
  it('refuses an immense length without allocating it', () =>
    fails([0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f], /a length of 34359738367/))
  it('refuses a number cut short', () => fails([0x08, 0x80], /a number runs past the end/))
  it('refuses a number of eleven bytes', () => fails([0x08, ...new Array<number>(11).fill(0x80)], /more than ten bytes/))
  it('refuses field 0', () => fails([0x00, 0x00], /a field number that cannot be/))
  it('refuses wire type 6', () => fails([0x0e], /wire type 6/))
  it('refuses a group that ends another', () => fails([0xfb, 0x07, 0xf4, 0x07], /ends another/))

  it('stops at a depth, for messages and groups', () => {
    let bytes: number[] = []
    // AttributeProto.g > GraphProto.node > NodeProto.attribute, over and over; lengths take two bytes from 128 on.
    const wrap = (number: number) => {
      const n = bytes.length
      bytes = [number * 8 + 2, ...(n < 128 ? [n] : [(n & 0x7f) | 0x80, n >> 7]), ...bytes]
    }
    for (let i = 0; i < 40; i++) [6, 5, 1].forEach((number) => wrap(number))
    wrap(7)
    fails(bytes, /nested deeper than 100/)
    fails(
      new Array<number>(300).fill(0xfb).flatMap((b) => [b, 0x07]),
      /groups nested deeper than 100/,
    )
  })
})

it('keeps strings that are not UTF-8', () => {
  for (const bytes of [
    [0xff],
    [0x61, 0xc3],
    [0xed, 0xa0, 0x80],
    [0xef, 0xbb, 0xbf, 0x61],
    [0xef, 0xbf, 0xbd],
    [0xf0, 0x9f, 0x98, 0x80, 0x80],
  ])
    expect([...encodeText(decodeText(Uint8Array.from(bytes)))]).toEqual(bytes)
  expect(decodeText(Uint8Array.from([0xc3, 0xa9, 0xff]))).toBe('é\udcff')
})
