import { createHash } from 'node:crypto'
import { DataError } from '../errors.ts'
import type { DataSet, InputSpec, OwnSplits, RawBatch, SharedInput } from './types.ts'

/** More classes than this is taken for a regression target or a broken file. */
const MAX_CLASSES = 100_000

interface ArrayDataSetInit {
  name: string
  format: string
  /** Dims of one sample; [height, width, channels] when `data` is bytes. */
  shape: readonly number[]
  /** All samples, row-major; bytes are images. */
  data: Uint8Array | Float32Array
  labels?: Int32Array | undefined
  /** Names of the classes; numbers when left out. */
  classes?: readonly string[] | undefined
  /** What is to be predicted where it is no class of a sample. */
  target?: DataSet['target']
  /** Several inputs, one after the other in a sample. */
  parts?: readonly InputSpec[] | undefined
  /** Inputs that are the same for all samples. */
  shared?: readonly SharedInput[] | undefined
  splits?: OwnSplits | undefined
  warnings?: readonly string[]
}

/** A data set whose samples lie in memory in one array. Throws DataError when the labels do not fit. */
export function arrayDataSet(init: ArrayDataSetInit): DataSet {
  const { name, format, shape, data, labels, target } = init
  const size = shape.reduce((n, d) => n * d, 1)
  const length = size === 0 ? 0 : data.length / size
  if (length === 0) throw new DataError('expected at least one sample, found none', { where: name })
  const classes = labels && namedClasses(name, labels, length, init.classes)
  const pick = (indices: Int32Array) => labels && Int32Array.from(indices, (index) => labels[index]!)

  const read = (indices: Int32Array): RawBatch => {
    const count = indices.length
    const picked = pick(indices)
    const gather = <T extends Uint8Array | Float32Array>(from: T, to: T): T => {
      for (let i = 0; i < count; i++) to.set(from.subarray(indices[i]! * size, (indices[i]! + 1) * size), i * size)
      return to
    }
    const rest = picked ? { labels: picked } : {}
    return data instanceof Uint8Array
      ? {
          kind: 'image',
          count,
          shape: shape as [number, number, number],
          pixels: gather(data, new Uint8Array(count * size)),
          ...rest,
        }
      : { kind: 'tensor', count, shape, values: gather(data, new Float32Array(count * size)), ...rest }
  }
  let hash: string | undefined
  return {
    name,
    format,
    kind: data instanceof Uint8Array ? 'image' : 'tensor',
    length,
    sample: { shape, dtype: data instanceof Uint8Array ? 'uint8' : 'float32' },
    ...(init.parts ? { parts: init.parts } : {}),
    ...(init.shared?.length ? { shared: init.shared } : {}),
    labelled: labels !== undefined || target !== undefined,
    ...(target ? { target } : {}),
    ...(target?.kind === 'map' && init.classes ? { classes: init.classes } : {}),
    ...(labels && classes ? { labels, classes } : {}),
    ...(init.splits ? { splits: init.splits } : {}),
    warnings: init.warnings ?? [],
    contentHash: () => Promise.resolve((hash ??= hashArray(shape, data))),
    read: (indices) => Promise.resolve(read(indices)),
  }
}

function hashArray(shape: readonly number[], data: Uint8Array | Float32Array): string {
  const hash = createHash('sha256').update(`${data instanceof Uint8Array ? 'uint8' : 'float32'} ${shape.join('x')} `)
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  // In pieces: one update takes at most 2 GiB.
  for (let at = 0; at < bytes.length; at += 2 ** 28) hash.update(bytes.subarray(at, at + 2 ** 28))
  return hash.digest('hex')
}

function namedClasses(where: string, labels: Int32Array, length: number, names?: readonly string[]): readonly string[] {
  if (labels.length !== length) {
    throw new DataError(`expected one label for each of the ${length} samples, found ${labels.length} labels`, { where })
  }
  let highest = 0
  for (const [i, label] of labels.entries()) {
    if (label < 0 || label >= (names?.length ?? MAX_CLASSES)) {
      const most = (names?.length ?? MAX_CLASSES) - 1
      throw new DataError(`label of sample ${i}: expected a class number from 0 to ${most}, found ${label}`, { where })
    }
    highest = Math.max(highest, label)
  }
  return names ?? Array.from({ length: highest + 1 }, (_, i) => String(i))
}
