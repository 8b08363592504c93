import { join } from 'node:path'
import { DataError } from '../../errors.ts'
import { decodeImage, imageHeader, isImageName } from '../format/image.ts'
import { fileTree, holdsFiles, type FileTree } from '../format/fileTree.ts'
import { hashFiles, mapAtOnce, numbered } from '../format/listing.ts'
import { defineReader } from '../reader.ts'
import type { DataSet, Image, OwnSplits, RawBatch } from '../types.ts'

/** Files whose headers are looked at to know the set's size and channels, spread over all of them. */
const LOOKED_AT = 128

const IMAGES = { matches: isImageName, plural: 'images' }

/** A folder for each class, or images alone; JPEG, PNG, WebP, GIF, BMP. */
export default defineReader({
  id: 'image-folder',
  title: 'a folder of images (JPEG, PNG, WebP, GIF, BMP), one folder for each class or flat',
  recognises: ({ spec, entries }) => entries !== undefined && holdsFiles(spec, IMAGES),

  async open({ spec: root, name }, options): Promise<DataSet> {
    let tree = await fileTree(root, IMAGES)
    if (options.corrupt === 'skip') tree = await withoutCorrupt(root, tree)
    const { files, splits } = tree
    const shape = await commonShape(root, files)
    const channels = shape[2]
    const named = options.labels === 'on' && tree.classOf ? numbered(tree.classOf) : undefined

    return {
      name,
      format: 'image-folder',
      kind: 'image',
      length: files.length,
      sample: { shape, dtype: 'uint8' },
      labelled: named !== undefined,
      ...named,
      ...(splits ? { splits } : {}),
      warnings: tree.warnings,
      contentHash: () => hashFiles(root, files),
      async read(indices) {
        const images = await mapAtOnce([...indices], (index) =>
          decodeImage(join(root, files[index]!), join(root, files[index]!), channels),
        )
        const labels = named && { labels: Int32Array.from(indices, (index) => named.labels[index]!) }
        return { ...together(images), ...labels }
      },
    }
  },
})

/** Height and width (0 where they differ) and channels (gray only when all are). */
async function commonShape(root: string, files: readonly string[]): Promise<[number, number, 1 | 3]> {
  const step = Math.max(1, Math.floor(files.length / LOOKED_AT))
  const some = files.filter((_, i) => i % step === 0)
  const headers = await mapAtOnce(some, (file) => imageHeader(join(root, file), join(root, file)).catch(() => undefined))
  const good = headers.filter((header) => header !== undefined)
  if (good.length === 0) throw new DataError(`none of ${some.length} image files can be read`, { where: root })
  const same = (pick: (h: (typeof good)[number]) => number) => (good.every((h) => pick(h) === pick(good[0]!)) ? pick(good[0]!) : 0)
  return [same((h) => h.height), same((h) => h.width), good.every((h) => h.channels === 1) ? 1 : 3]
}

async function withoutCorrupt(root: string, tree: FileTree): Promise<FileTree> {
  const bad: string[] = []
  const good = await mapAtOnce(tree.files, (file) =>
    decodeImage(join(root, file), file).then(
      () => true,
      () => !bad.push(file),
    ),
  )
  if (bad.length === tree.files.length) throw new DataError(`none of the ${bad.length} images can be read`, { where: root })
  if (bad.length === 0) return tree
  const before = (at: number) => good.slice(0, at).filter(Boolean).length
  const shown = bad.sort().slice(0, 3).join(', ')
  return {
    files: tree.files.filter((_, i) => good[i]),
    ...(tree.classOf ? { classOf: tree.classOf.filter((_, i) => good[i]) } : {}),
    ...(tree.splits ? { splits: moved(tree.splits, before) } : {}),
    warnings: [...tree.warnings, `${bad.length} unreadable images were skipped: ${shown}${bad.length > 3 ? ', …' : ''}`],
  }
}

const moved = ({ train, test, validation }: OwnSplits, to: (at: number) => number): OwnSplits => ({
  train: [to(train[0]), to(train[1])],
  test: [to(test[0]), to(test[1])],
  ...(validation ? { validation: [to(validation[0]), to(validation[1])] } : {}),
})

/** One array when all images have one size. */
function together(images: Image[]): RawBatch {
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
