import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { DataError } from '../../errors.ts'
import { arrayDataSet } from '../arrayDataSet.ts'
import { channelsLast } from '../format/arrays.ts'
import { readWhole } from '../format/files.ts'
import { defineReader } from '../reader.ts'
import type { OwnSplits } from '../types.ts'

/** The binary CIFAR files: records of label bytes (the last is the fine class) and 3 x 32 x 32 channel planes. */
const VARIANTS = [
  {
    id: 'cifar-10',
    train: /^data_batch_\d+\.bin$/,
    test: /^test_batch\.bin$/,
    labelBytes: 1,
    names: 'batches.meta.txt',
    classes: 10,
  },
  { id: 'cifar-100', train: /^train\.bin$/, test: /^test\.bin$/, labelBytes: 2, names: 'fine_label_names.txt', classes: 100 },
] as const
const SIDE = 32
const PIXELS = 3 * SIDE * SIDE

const variantOf = (names: readonly string[]) =>
  VARIANTS.find(({ train, test }) => names.some((name) => train.test(name) || test.test(name)))

export default defineReader({
  id: 'cifar',
  title: 'CIFAR-10 or CIFAR-100 binary files (.bin)',
  recognises: ({ name, entries, head }) => variantOf(entries ?? (head.length > 0 ? [name] : [])) !== undefined,

  async open({ spec, name, entries }, { labels }) {
    const variant = variantOf(entries ?? [name])!
    const folder = entries ? spec : dirname(spec)
    // Numeric order: data_batch_10 comes after data_batch_9.
    const train = (entries ?? [name])
      .filter((file) => variant.train.test(file))
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
    const test = (entries ?? [name]).filter((file) => variant.test.test(file))
    const parts = await Promise.all([...train, ...test].map((file) => readRecords(join(folder, file), variant.labelBytes)))
    const total = parts.reduce((n, part) => n + part.count, 0)
    const pixels = new Uint8Array(total * PIXELS)
    const classes = new Int32Array(total)
    let at = 0
    let trainLength = 0
    for (const [i, part] of parts.entries()) {
      pixels.set(part.pixels, at * PIXELS)
      classes.set(part.labels, at)
      at += part.count
      if (i < train.length) trainLength = at
    }
    const splits: OwnSplits | undefined =
      train.length > 0 && test.length > 0 ? { train: [0, trainLength], test: [trainLength, total] } : undefined
    return arrayDataSet({
      name,
      format: variant.id,
      shape: [SIDE, SIDE, 3],
      data: pixels,
      labels: labels === 'on' ? classes : undefined,
      classes: classNames(join(folder, variant.names), variant.classes),
      splits,
    })
  },
})

async function readRecords(path: string, labelBytes: number) {
  const bytes = await readWhole(path)
  const record = labelBytes + PIXELS
  if (bytes.length === 0 || bytes.length % record !== 0) {
    throw new DataError(`expected records of ${record} bytes, found ${bytes.length} bytes, which is no whole number of them`, {
      where: path,
    })
  }
  const count = bytes.length / record
  const planes = new Uint8Array(count * PIXELS)
  const labels = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    labels[i] = bytes[i * record + labelBytes - 1]!
    planes.set(bytes.subarray(i * record + labelBytes, (i + 1) * record), i * PIXELS)
  }
  return { count, labels, pixels: channelsLast(planes, count, 3, SIDE * SIDE), name: basename(path) }
}

/** Names from the text file that comes with the set; numbers where it is missing or of another length. */
function classNames(path: string, count: number): string[] {
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split(/\r?\n/).filter(Boolean) : []
  return lines.length === count ? lines : Array.from({ length: count }, (_, i) => String(i))
}
