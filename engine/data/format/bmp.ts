/** Uncompressed BMP, which libvips does not read: 8-bit palette, 24-bit and 32-bit, bottom-up or top-down. */
import { DataError } from '../../errors.ts'
import type { Image } from '../types.ts'

export const isBmp = (head: Uint8Array): boolean => head[0] === 0x42 && head[1] === 0x4d

/** Decodes to RGB. Throws DataError when the file is broken, compressed or has more than `maxPixels`. */
export function decodeBmp(bytes: Uint8Array, name: string, maxPixels: number): Image {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 54 || view.getUint32(14, true) < 40) throw new DataError('expected a BMP header of 54 bytes', { where: name })
  const offset = view.getUint32(10, true)
  const headerSize = view.getUint32(14, true)
  const width = view.getInt32(18, true)
  const signedHeight = view.getInt32(22, true)
  const height = Math.abs(signedHeight)
  const bits = view.getUint16(28, true)
  const compression = view.getUint32(30, true)
  // 3 (bit fields) with 32 bits is how many programs write plain BGRA.
  const plain = compression === 0 || (compression === 3 && bits === 32)
  if (!plain || (bits !== 8 && bits !== 24 && bits !== 32)) {
    throw new DataError(`expected an uncompressed BMP of 8, 24 or 32 bits, found ${bits} bits, compression ${compression}`, {
      where: name,
      hint: 'save it as PNG',
    })
  }
  const stride = Math.ceil((width * bits) / 32) * 4
  if (width <= 0 || height === 0 || width * height > maxPixels || offset + stride * height > bytes.length) {
    throw new DataError(`${width} x ${signedHeight} pixels do not fit into ${bytes.length} bytes`, { where: name })
  }
  const palette = 14 + headerSize
  const pixels = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    const row = offset + (signedHeight > 0 ? height - 1 - y : y) * stride
    for (let x = 0; x < width; x++) {
      const at = bits === 8 ? palette + 4 * bytes[row + x]! : row + (x * bits) / 8
      const out = (y * width + x) * 3
      pixels[out] = bytes[at + 2] ?? 0
      pixels[out + 1] = bytes[at + 1] ?? 0
      pixels[out + 2] = bytes[at] ?? 0
    }
  }
  return { pixels, height, width, channels: 3, name }
}
