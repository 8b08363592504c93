/** The IDX format of the MNIST files: 0, 0, element type, rank, big-endian dims, big-endian elements. */
import { DataError } from '../../errors.ts'
import { readSized } from './files.ts'

const TYPES: Record<number, { bytes: number; read: (view: DataView, at: number) => number }> = {
  0x08: { bytes: 1, read: (v, at) => v.getUint8(at) },
  0x09: { bytes: 1, read: (v, at) => v.getInt8(at) },
  0x0b: { bytes: 2, read: (v, at) => v.getInt16(at) },
  0x0c: { bytes: 4, read: (v, at) => v.getInt32(at) },
  0x0d: { bytes: 4, read: (v, at) => v.getFloat32(at) },
  0x0e: { bytes: 8, read: (v, at) => v.getFloat64(at) },
}
const MAX_RANK = 8

export interface IdxArray {
  dims: number[]
  /** Bytes as they are; every other type becomes float32. */
  data: Uint8Array | Float32Array
}

/** True for the first bytes of an IDX file that is not compressed. */
export const isIdx = (head: Uint8Array): boolean =>
  head.length >= 4 && head[0] === 0 && head[1] === 0 && TYPES[head[2]!] !== undefined && head[3]! >= 1 && head[3]! <= MAX_RANK

/** Reads an IDX file, gzipped or not. Throws DataError when header and content disagree. */
export async function readIdx(path: string): Promise<IdxArray> {
  let dims: number[] = []
  let headBytes = 0
  const bytes = await readSized(path, (head) => {
    if (head.length < 4) return undefined
    if (!isIdx(head)) {
      const found = Array.from(head.subarray(0, 4), (b) => b.toString(16).padStart(2, '0')).join(' ')
      throw new DataError(`expected an IDX header (00 00, element type, rank 1 to ${MAX_RANK}), found ${found}`, { where: path })
    }
    headBytes = 4 + 4 * head[3]!
    if (head.length < headBytes) return undefined
    const view = new DataView(head.buffer, head.byteOffset)
    dims = Array.from({ length: head[3]! }, (_, i) => view.getUint32(4 + 4 * i))
    return headBytes + dims.reduce((n, d) => n * d, TYPES[head[2]!]!.bytes)
  })
  const body = bytes.subarray(headBytes)
  if (bytes[2] === 0x08) return { dims, data: body }
  const type = TYPES[bytes[2]!]!
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  return { dims, data: Float32Array.from({ length: body.length / type.bytes }, (_, i) => type.read(view, i * type.bytes)) }
}
