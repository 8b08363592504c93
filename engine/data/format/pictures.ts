/** What readers of picture files share. */
import { join } from 'node:path'
import { DataError } from '../../errors.ts'
import type { Image, RawBatch } from '../types.ts'
import { imageHeader } from './image.ts'
import { mapAtOnce } from './listing.ts'

/** Files whose headers are looked at to know the set's size and channels, spread over all of them. */
const LOOKED_AT = 128

/** Height and width (0 where they differ) and channels (gray only when all are). */
export async function commonShape(root: string, files: readonly string[]): Promise<[number, number, 1 | 3]> {
  const step = Math.max(1, Math.floor(files.length / LOOKED_AT))
  const some = files.filter((_, i) => i % step === 0)
  const headers = await mapAtOnce(some, (file) => imageHeader(join(root, file), join(root, file)).catch(() => undefined))
  const good = headers.filter((header) => header !== undefined)
  if (good.length === 0) throw new DataError(`none of ${some.length} image files can be read`, { where: root })
  const same = (pick: (h: (typeof good)[number]) => number) => (good.every((h) => pick(h) === pick(good[0]!)) ? pick(good[0]!) : 0)
  return [same((h) => h.height), same((h) => h.width), good.every((h) => h.channels === 1) ? 1 : 3]
}

/** One array when all images have one size. */
export function together(images: Image[]): RawBatch {
  const [first] = images
  const { height = 0, width = 0, channels = 0 } = first ?? {}
  if (!images.every((image) => image.height === height && image.width === width)) {
    return { kind: 'images', count: images.length, images }
  }
  const size = height * width * channels
  const pixels = new Uint8Array(images.length * size)
  for (const [i, image] of images.entries()) pixels.set(image.pixels, i * size)
  return { kind: 'image', count: images.length, shape: [height, width, channels], pixels }
}
