/** Zip archives as NumPy writes them: the central directory, stored and deflated members, ZIP64 sizes. */
import { crc32, inflateRawSync } from 'node:zlib'
import { DataError } from '../../errors.ts'
import { MAX_DEFLATE_RATIO, MAX_IN_MEMORY } from './files.ts'

const END = 0x06054b50
const ENTRY = 0x02014b50
const LOCAL = 0x04034b50
const UNKNOWN = 0xffffffff

export interface ZipMember {
  name: string
  /** Unpacks the member and checks its CRC. Throws DataError. */
  read(): Uint8Array
}

export const isZip = (head: Uint8Array): boolean => head[0] === 0x50 && head[1] === 0x4b && head[2] === 3 && head[3] === 4

/** The members of an archive held in memory. Throws DataError when its directory is broken. */
export function zipMembers(bytes: Uint8Array, where: string): ZipMember[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const broken = (what: string) => new DataError(`the zip archive is broken: ${what}`, { where })
  try {
    const end = endOfDirectory(view)
    if (end === undefined) throw broken('no directory at its end (was it cut off?)')
    const members: ZipMember[] = []
    let at = view.getUint32(end + 16, true)
    for (let i = view.getUint16(end + 10, true); i > 0; i--) {
      if (view.getUint32(at, true) !== ENTRY) throw broken(`no directory entry at byte ${at}`)
      const nameLength = view.getUint16(at + 28, true)
      const extraLength = view.getUint16(at + 30, true)
      const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength))
      const sizes = sizesOf(view, at, at + 46 + nameLength, extraLength)
      const member = { method: view.getUint16(at + 10, true), crc: view.getUint32(at + 16, true), ...sizes }
      members.push({ name, read: () => readMember(bytes, view, member, `${where}: ${name}`) })
      at += 46 + nameLength + extraLength + view.getUint16(at + 32, true)
    }
    return members
  } catch (cause) {
    if (cause instanceof RangeError) throw broken('an offset points outside of it')
    throw cause
  }
}

/** The end record is followed by a comment of at most 65,535 bytes. */
function endOfDirectory(view: DataView): number | undefined {
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - 22 - 0xffff); at--) {
    if (view.getUint32(at, true) === END) return at
  }
  return undefined
}

interface Sizes {
  packed: number
  size: number
  offset: number
}

/** Sizes and offset of an entry; those that do not fit into 32 bits are in the ZIP64 extra field, in this order. */
function sizesOf(view: DataView, at: number, extra: number, extraLength: number): Sizes {
  let [size, packed, offset] = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)]
  for (let p = extra; p + 4 <= extra + extraLength; p += 4 + view.getUint16(p + 2, true)) {
    if (view.getUint16(p, true) !== 1) continue
    let field = p + 4
    const next = () => Number(view.getBigUint64((field += 8) - 8, true))
    if (size === UNKNOWN) size = next()
    if (packed === UNKNOWN) packed = next()
    if (offset === UNKNOWN) offset = next()
  }
  return { packed, size, offset }
}

function readMember(bytes: Uint8Array, view: DataView, member: Sizes & { method: number; crc: number }, where: string): Uint8Array {
  const { offset, packed, size, method } = member
  if (offset + 30 > bytes.length || view.getUint32(offset, true) !== LOCAL)
    throw new DataError('no member at its offset', { where })
  const start = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true)
  if (start + packed > bytes.length)
    throw new DataError(`${packed} bytes are announced, ${bytes.length - start} are there`, { where })
  if (!(size <= Math.min(packed * MAX_DEFLATE_RATIO + 64, MAX_IN_MEMORY))) {
    throw new DataError(`${packed} bytes cannot unpack to the announced ${size}`, { where })
  }
  const content = bytes.subarray(start, start + packed)
  let data: Uint8Array
  if (method === 0) data = content
  else if (method === 8) {
    try {
      data = inflateRawSync(content, { maxOutputLength: Math.max(size, 1) })
    } catch (cause) {
      throw new DataError(`cannot be unpacked: ${(cause as Error).message}`, { where, cause })
    }
  } else throw new DataError(`expected a stored or deflated member, found compression method ${method}`, { where })
  if (data.length !== size || crc32(data) !== member.crc) throw new DataError('the checksum or the size is wrong', { where })
  return data
}
