import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DataError } from '../../errors.ts'
import { arrayDataSet } from '../arrayDataSet.ts'
import { isIdx, readIdx, type IdxArray } from '../format/idx.ts'
import { joinBytes } from '../format/arrays.ts'
import { defineReader } from '../reader.ts'
import type { OwnSplits } from '../types.ts'

const IMAGES = /images([-.]?)idx[1-4]|images(?=[-._])/
/** Marks of the test part in file names: MNIST's own is `t10k`. */
const TEST_NAME = /t10k|test/i

const isImagesName = (name: string): boolean => IMAGES.test(name) && /idx|ubyte/.test(name)

interface Part {
  path: string
  images: IdxArray
  labels?: Int32Array
}

/** IDX files named as MNIST's are. With labels off the labels file is not even looked for. */
export default defineReader({
  id: 'idx',
  title: 'an IDX file (.gz or plain) or a folder of them',
  recognises: ({ name, head, entries }) =>
    entries ? entries.some(isImagesName) : isIdx(head) || (head[0] === 0x1f && head[1] === 0x8b && /idx|ubyte/.test(name)),

  async open({ spec, name, entries }, { labels }) {
    const paths = entries ? imagesOf(spec, entries) : [spec]
    const parts: Part[] = []
    for (const path of paths) parts.push(await openPart(path, labels === 'on'))
    const first = parts[0]!
    const same = parts.every(({ images }) => String(shapeOf(images)) === String(shapeOf(first.images)))
    if (!same) throw new DataError('expected the same sample shape in train and test', { where: spec })
    const labelled = parts.every((part) => part.labels)
    const trainLength = first.images.dims[0]!
    const splits: OwnSplits | undefined =
      parts.length === 2 ? { train: [0, trainLength], test: [trainLength, trainLength + parts[1]!.images.dims[0]!] } : undefined
    return arrayDataSet({
      name,
      format: 'idx',
      shape: shapeOf(first.images),
      data: joinBytes(parts.map(({ images }) => asImages(images))),
      labels: labelled ? Int32Array.from(parts.flatMap((part) => Array.from(part.labels!))) : undefined,
      splits,
      warnings: labels === 'on' && !labelled ? [`no labels file was found beside ${basename(paths[0]!)}`] : [],
    })
  },
})

/** The images files of a folder: one, or train and test in this order. A file there both plain and gzipped counts once. */
function imagesOf(folder: string, entries: readonly string[]): string[] {
  const names = entries.filter((name) => isImagesName(name) && !(name.endsWith('.gz') && entries.includes(name.slice(0, -3))))
  const test = names.filter((name) => TEST_NAME.test(name))
  const train = names.filter((name) => !TEST_NAME.test(name))
  if (names.length > 2 || test.length > 1 || train.length > 1) {
    throw new DataError(`expected one images file, or one for training and one for testing, found ${names.join(', ')}`, {
      where: folder,
      hint: 'name one images file instead of the folder',
    })
  }
  return [...train, ...test].map((name) => join(folder, name))
}

async function openPart(path: string, withLabels: boolean): Promise<Part> {
  const images = await readIdx(path)
  if (images.dims.length < 2) {
    throw new DataError('expected samples of rank 1 or more, found single numbers: is this the labels file?', {
      where: path,
      hint: 'name the images file; its labels file is found beside it',
    })
  }
  const labelsPath = withLabels ? labelsBeside(path) : undefined
  if (labelsPath === undefined) return { path, images }
  const labels = await readIdx(labelsPath)
  if (labels.dims.length !== 1 || labels.dims[0] !== images.dims[0]) {
    throw new DataError(`expected ${images.dims[0]} labels, found shape [${labels.dims.join(', ')}]`, { where: labelsPath })
  }
  return { path, images, labels: Int32Array.from(labels.data) }
}

/** `x-images-idx3-ubyte.gz` has its labels in `x-labels-idx1-ubyte.gz`, or in the same without (or with) `.gz`. */
function labelsBeside(path: string): string | undefined {
  const name = basename(path)
  if (!isImagesName(name)) return undefined
  const labels = name.replace(IMAGES, (match) => match.replace('images', 'labels').replace(/idx\d/, 'idx1')).replace(/\.gz$/, '')
  return [name.endsWith('.gz') ? `${labels}.gz` : labels, labels, `${labels}.gz`]
    .map((candidate) => join(dirname(path), candidate))
    .find(existsSync)
}

/** Bytes of rank 3 are gray images; of rank 4 with 1 or 3 innermost, images with channels; the rest are plain tensors. */
function shapeOf({ dims, data }: IdxArray): number[] {
  const sample = dims.slice(1)
  return data instanceof Uint8Array && sample.length === 2 ? [...sample, 1] : sample
}

function asImages(images: IdxArray): Uint8Array | Float32Array {
  const shape = shapeOf(images)
  const isImage = images.data instanceof Uint8Array && shape.length === 3 && (shape[2] === 1 || shape[2] === 3)
  return isImage || images.data instanceof Float32Array ? images.data : Float32Array.from(images.data)
}
