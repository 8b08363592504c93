/** Image files to 8-bit pixels: JPEG, PNG, WebP and GIF through sharp, BMP by `bmp.ts`. */
import { open, readFile } from 'node:fs/promises'
import sharp from 'sharp'
import { DataError } from '../../errors.ts'
import type { Image } from '../types.ts'
import { decodeBmp, isBmp } from './bmp.ts'

const EXTENSION = /\.(jpe?g|png|webp|bmp|gif)$/i
/** A picture that declares more is refused before it is decoded. */
const MAX_PIXELS = 1e8

export const isImageName = (name: string): boolean => EXTENSION.test(name) && !name.startsWith('.')

/**
 * Decodes an image file, upright as its EXIF tag says, the first frame of an animation; transparency is dropped as torchvision
 * does. `channels`: 1 for gray, 3 for RGB, undefined for what the file has. Throws DataError naming the file.
 */
export async function decodeImage(path: string, name: string, channels?: 1 | 3): Promise<Image> {
  try {
    const bytes = await readFile(path)
    if (isBmp(bytes)) return toChannels(decodeBmp(bytes, name, MAX_PIXELS), channels)
    const input = sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn: 'error' }).autoOrient()
    const gray = (channels ?? ((await isGray(bytes)) ? 1 : 3)) === 1
    const { data, info } = await input
      .removeAlpha()
      .toColourspace(gray ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true })
    return toChannels({ pixels: data, height: info.height, width: info.width, channels: info.channels, name }, gray ? 1 : 3)
  } catch (cause) {
    if (cause instanceof DataError) throw cause
    throw new DataError(`the image cannot be read: ${firstLine(cause)}`, {
      where: name,
      hint: 'remove the file, or open the set with corrupt images skipped',
      cause,
    })
  }
}

/** Height, width and channels (1 or 3) from the file's header. Throws DataError naming the file. */
export async function imageHeader(path: string, name: string): Promise<{ height: number; width: number; channels: 1 | 3 }> {
  try {
    const file = await open(path)
    const head = new Uint8Array(2)
    await file.read(head, 0, 2, 0).finally(() => file.close())
    if (isBmp(head)) return decodeBmp(await readFile(path), name, MAX_PIXELS) as Image & { channels: 3 }
    const { autoOrient, channels, space } = await sharp(path, { limitInputPixels: MAX_PIXELS }).metadata()
    return { height: autoOrient.height, width: autoOrient.width, channels: channels <= 2 && space !== 'srgb' ? 1 : 3 }
  } catch (cause) {
    if (cause instanceof DataError) throw cause
    throw new DataError(`the image cannot be read: ${firstLine(cause)}`, { where: name, cause })
  }
}

async function isGray(bytes: Uint8Array): Promise<boolean> {
  const { channels, space } = await sharp(bytes).metadata()
  return channels <= 2 && space !== 'srgb'
}

const firstLine = (cause: unknown): string => (cause as Error).message.split('\n')[0]!

/** Rec. 601 luma, the gray of Pillow and OpenCV. */
export const luma = (r: number, g: number, b: number): number => 0.299 * r + 0.587 * g + 0.114 * b

/** Gray from RGB by luma, RGB from gray by repetition. */
export function toChannels(image: Image, channels: number | undefined): Image {
  if (channels === undefined || channels === image.channels) return image
  const area = image.height * image.width
  const from = image.pixels
  const pixels = new Uint8Array(area * channels)
  for (let i = 0; i < area; i++) {
    if (channels === 1) pixels[i] = Math.round(luma(from[3 * i]!, from[3 * i + 1]!, from[3 * i + 2]!))
    else pixels.fill(from[i]!, 3 * i, 3 * i + 3)
  }
  return { ...image, pixels, channels }
}
