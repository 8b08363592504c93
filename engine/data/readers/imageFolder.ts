import { join } from 'node:path'
import { DataError } from '../../errors.ts'
import { decodeImage, isImageName } from '../format/image.ts'
import { fileTree, holdsFiles, type FileTree } from '../format/fileTree.ts'
import { hashFiles, mapAtOnce, numbered } from '../format/listing.ts'
import { commonShape, together } from '../format/pictures.ts'
import { defineReader } from '../reader.ts'
import { isSegmentation } from './segmentation.ts'
import type { DataSet, OwnSplits } from '../types.ts'

const IMAGES = { matches: isImageName, plural: 'images' }

/** A folder for each class, or images alone; JPEG, PNG, WebP, GIF, BMP. */
export default defineReader({
  id: 'image-folder',
  title: 'a folder of images (JPEG, PNG, WebP, GIF, BMP), one folder for each class or flat',
  recognises: async (source) =>
    source.entries !== undefined && !(await isSegmentation(source)) && (await holdsFiles(source.spec, IMAGES)),

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
