/** `npm run icons` renders `assets/icon.svg`: a PNG for Linux, an ICO for Windows and an ICNS for macOS, all holding PNGs of several sizes. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import sharp from 'sharp'

const ASSETS = resolve(import.meta.dirname, '..', 'assets')

/** Types of an ICNS entry, by the size of its PNG in pixels. */
const ICNS = { 16: 'icp4', 32: 'icp5', 128: 'ic07', 256: 'ic08', 512: 'ic09' } as const
const ICO = [16, 24, 32, 48, 64, 256] as const

const svg = readFileSync(join(ASSETS, 'icon.svg'))
const png = (size: number): Promise<Buffer> =>
  sharp(svg)
    .resize(size, size)
    .png({ compressionLevel: 9, palette: size >= 256, colours: 128 })
    .toBuffer()

/** A Windows icon: a directory of 16 bytes an entry, then the pictures. A size of 256 is written as 0. */
function ico(pictures: readonly { size: number; bytes: Buffer }[]): Buffer {
  const head = Buffer.alloc(6 + 16 * pictures.length)
  head.writeUInt16LE(1, 2)
  head.writeUInt16LE(pictures.length, 4)
  let offset = head.length
  for (const [i, { size, bytes }] of pictures.entries()) {
    const at = 6 + 16 * i
    head.writeUInt8(size % 256, at)
    head.writeUInt8(size % 256, at + 1)
    head.writeUInt16LE(1, at + 4)
    head.writeUInt16LE(32, at + 6)
    head.writeUInt32LE(bytes.length, at + 8)
    head.writeUInt32LE(offset, at + 12)
    offset += bytes.length
  }
  return Buffer.concat([head, ...pictures.map(({ bytes }) => bytes)])
}

/** A macOS icon: type, length and picture, one after another. */
function icns(pictures: readonly { type: string; bytes: Buffer }[]): Buffer {
  const entry = (type: string, bytes: Buffer): Buffer => {
    const head = Buffer.from(`${type}\0\0\0\0`, 'latin1')
    head.writeUInt32BE(bytes.length + 8, 4)
    return Buffer.concat([head, bytes])
  }
  return entry('icns', Buffer.concat(pictures.map(({ type, bytes }) => entry(type, bytes))))
}

writeFileSync(join(ASSETS, 'icon.png'), await png(512))
writeFileSync(join(ASSETS, 'icon.ico'), ico(await Promise.all(ICO.map(async (size) => ({ size, bytes: await png(size) })))))
const sizes = Object.entries(ICNS).map(async ([size, type]) => ({ type, bytes: await png(Number(size)) }))
writeFileSync(join(ASSETS, 'icon.icns'), icns(await Promise.all(sizes)))
