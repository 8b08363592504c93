import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { DataError } from '../../errors.ts'

/** Deflate cannot expand more than this, so a larger claim is false whatever follows. */
export const MAX_DEFLATE_RATIO = 1032
/** Largest file or array that is held in memory. */
export const MAX_IN_MEMORY = 8 * 2 ** 30

/** The whole file. Throws DataError above 8 GiB. */
export async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    if (size > MAX_IN_MEMORY) throw new DataError(`expected at most ${MAX_IN_MEMORY} bytes, found ${size}`, { where: path })
    const bytes = new Uint8Array(size)
    // In pieces: one read takes at most 2 GiB.
    for (let at = 0; at < size;) {
      const { bytesRead } = await file.read(bytes, at, Math.min(size - at, 2 ** 30), at)
      if (bytesRead === 0) throw new DataError(`the file became shorter while it was read, at byte ${at}`, { where: path })
      at += bytesRead
    }
    return bytes
  } finally {
    await file.close()
  }
}

/**
 * Reads a file, gunzipped if it starts with gzip's magic, whose first bytes say how long it is. Nothing larger than what the file can
 * hold is allocated. `sizeOf` gets what was read so far and answers the total size in bytes, undefined to see more, or throws.
 */
export async function readSized(path: string, sizeOf: (head: Uint8Array) => number | undefined): Promise<Uint8Array> {
  const { size: stored } = await stat(path)
  const gzipped = await startsWith(path, [0x1f, 0x8b])
  const source = createReadStream(path)
  const stream = gzipped ? source.pipe(createGunzip()) : source
  source.on('error', (cause) => stream.destroy(cause))
  let head: Uint8Array = new Uint8Array()
  let bytes: Uint8Array | undefined
  let at = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      let rest: Uint8Array = chunk
      if (!bytes) {
        head = Buffer.concat([head, chunk])
        const total = sizeOf(head)
        if (total === undefined) continue
        const most = Math.min(gzipped ? stored * MAX_DEFLATE_RATIO : stored, MAX_IN_MEMORY)
        if (!(total <= most)) {
          throw new DataError(`the header announces ${total} bytes, the file can hold at most ${most}`, { where: path })
        }
        bytes = new Uint8Array(total)
        rest = head
      }
      if (at + rest.length > bytes.length) {
        throw new DataError(`expected ${bytes.length} bytes as the header says, found more`, { where: path })
      }
      bytes.set(rest, at)
      at += rest.length
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause
    throw new DataError(`cannot be ${gzipped ? 'unpacked' : 'read'}: ${(cause as Error).message}`, { where: path, cause })
  } finally {
    source.destroy()
    stream.destroy()
  }
  if (!bytes) throw new DataError(`the file ends within its header, after ${head.length} bytes`, { where: path })
  if (at < bytes.length) throw new DataError(`expected ${bytes.length} bytes as the header says, found ${at}`, { where: path })
  return bytes
}

async function startsWith(path: string, magic: readonly number[]): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(magic.length), 0, magic.length, 0)
    return bytesRead === magic.length && magic.every((byte, i) => buffer[i] === byte)
  } finally {
    await file.close()
  }
}
