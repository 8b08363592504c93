import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import { DataError } from '../../errors.ts'
import { decodeImage, isImageName } from '../format/image.ts'
import { hashFiles, mapAtOnce } from '../format/listing.ts'
import { codingOf, fitMap, type ClassMap, type MapCoding } from '../format/maps.ts'
import { commonShape, together } from '../format/pictures.ts'
import { defineReader, type Source } from '../reader.ts'
import type { DataSet, MapTarget, OwnSplits } from '../types.ts'

const IMAGES = /^(images?|imgs?)$/i
const MASKS = /^(masks?|labels?|annotations?)$/i
const PARTS = { train: /^train(ing)?$/i, validation: /^val(id(ation)?)?$/i, test: /^test(ing)?$/i } as const

interface Pair {
  image: string
  mask: string
}

/**
 * Pictures with a class for each pixel: folders `images` and `masks` (or `labels`, `annotations`) with files of equal names, possibly
 * below `train`, `val` and `test`. A mask's gray levels are class numbers, 255 is no class; masks of 0 and 255 alone have two classes.
 * Names of the classes are the lines of a `classes.txt`, where there is one.
 */
export default defineReader({
  id: 'segmentation',
  title: 'folders images and masks with a class for each pixel',
  recognises: isSegmentation,

  async open({ spec: root, name }, { labels }): Promise<DataSet> {
    const { pairs, splits } = await pairsOf(root)
    const files = pairs.map((pair) => pair.image)
    const shape = await commonShape(root, files)
    const channels = shape[2]
    const masks = pairs.map((pair) => pair.mask)
    const found = labels === 'on' ? await mapsOf(root, masks) : undefined
    return {
      name,
      format: 'segmentation',
      kind: 'image',
      length: pairs.length,
      sample: { shape, dtype: 'uint8' },
      labelled: found !== undefined,
      ...(found ? { target: found.target, classes: classNames(root, found.coding) } : {}),
      ...(splits ? { splits } : {}),
      warnings: found?.coding.binary ? ['the masks hold 0 and 255 alone: 255 is class 1'] : [],
      contentHash: () => hashFiles(root, files),
      async read(indices) {
        const images = await mapAtOnce([...indices], (index) =>
          decodeImage(join(root, files[index]!), join(root, files[index]!), channels),
        )
        return together(images)
      },
    }
  },
})

/** Whether a folder, or its training part, has both folders. */
export async function isSegmentation({ spec, entries }: Source): Promise<boolean> {
  if (!entries) return false
  const both = (names: readonly string[]) => names.some((n) => IMAGES.test(n)) && names.some((n) => MASKS.test(n))
  if (both(entries)) return true
  const train = entries.find((entry) => PARTS.train.test(entry))
  return train !== undefined && both(await readdir(join(spec, train)).catch(() => []))
}

async function pairsOf(root: string): Promise<{ pairs: Pair[]; splits?: OwnSplits }> {
  const entries = await readdir(root)
  if (entries.some((n) => IMAGES.test(n))) return { pairs: await partOf(root, '') }
  const pairs: Pair[] = []
  const ranges: Partial<Record<keyof typeof PARTS, [number, number]>> = {}
  for (const part of ['train', 'validation', 'test'] as const) {
    const folder = entries.find((entry) => PARTS[part].test(entry))
    if (folder === undefined) continue
    const from = pairs.length
    pairs.push(...(await partOf(root, folder)))
    ranges[part] = [from, pairs.length]
  }
  const { train, validation, test } = ranges
  const judged = test ?? validation
  if (!train || !judged) return { pairs }
  return { pairs, splits: { train, test: judged, ...(test && validation ? { validation } : {}) } }
}

async function partOf(root: string, part: string): Promise<Pair[]> {
  const names = await readdir(join(root, part))
  const [images, masks] = [IMAGES, MASKS].map((pattern) => names.find((name) => pattern.test(name)))
  const where = join(root, part)
  if (images === undefined || masks === undefined)
    throw new DataError(`expected folders for images and masks, found ${names.join(', ')}`, { where })
  const list = async (folder: string) => (await readdir(join(root, part, folder))).filter(isImageName).sort()
  const byStem = new Map((await list(masks)).map((file) => [stem(file), file]))
  const files = await list(images)
  if (files.length === 0) throw new DataError('expected pictures, found none', { where: join(where, images) })
  return files.map((file) => {
    const mask = byStem.get(stem(file)) ?? byStem.get(`${stem(file)}_mask`)
    if (mask === undefined)
      throw new DataError(`there is no mask for ${file}`, {
        where: join(where, masks),
        hint: 'masks have the names of their pictures',
      })
    return { image: join(part, images, file), mask: join(part, masks, mask) }
  })
}

const stem = (file: string): string => basename(file, extname(file))

/** The masks, decoded once to learn which classes there are. */
async function mapsOf(root: string, files: readonly string[]): Promise<{ target: MapTarget; coding: MapCoding }> {
  const seen = new Set<number>()
  await mapAtOnce(files, async (file) => {
    for (const value of (await readMask(join(root, file))).values) seen.add(value)
  })
  const coding = codingOf(seen, root)
  return {
    coding,
    target: {
      kind: 'map',
      async read(indices, size, box) {
        const area = size[0] * size[1]
        const out = new Int16Array(indices.length * area)
        const maps = await mapAtOnce([...indices], (index) => readMask(join(root, files[index]!)))
        maps.forEach((map, n) => fitMap(map, size, box, coding, out, n * area))
        return out
      },
    },
  }
}

async function readMask(path: string): Promise<ClassMap> {
  const image = await decodeImage(path, path)
  const { height, width, channels, pixels } = image
  if (channels === 1) return { values: pixels, height, width, name: path }
  const values = new Uint8Array(height * width)
  for (let i = 0; i < values.length; i++) {
    const [r, g, b] = [pixels[3 * i]!, pixels[3 * i + 1]!, pixels[3 * i + 2]!]
    if (r !== g || g !== b)
      throw new DataError(`expected gray levels that are class numbers, found the colour (${r}, ${g}, ${b})`, {
        where: path,
        hint: 'save the masks as gray pictures whose levels are the class numbers',
      })
    values[i] = r
  }
  return { values, height, width, name: path }
}

function classNames(root: string, { classes, binary }: MapCoding): string[] {
  const path = [join(root, 'classes.txt'), join(dirname(root), 'classes.txt')].find(existsSync)
  const lines = path === undefined ? [] : readFileSync(path, 'utf8').split(/\r?\n/).filter(Boolean)
  if (lines.length >= classes) return lines
  return binary ? ['background', 'object'] : Array.from({ length: classes }, (_, i) => String(i))
}
