/** What a batch's samples are to become: `y` of a batch. */
import { DataError } from '../errors.ts'
import type { FrontEnd } from './front/frontEnd.ts'
import { rowCache } from './sampleCache.ts'
import type { DataSet } from './types.ts'

export interface TargetSource {
  /** Shape of one sample's target. */
  readonly shape: readonly number[]
  at(index: Int32Array): Promise<Float32Array> | Float32Array
}

/** Undefined for a set without labels. Throws DataError for a map whose inputs are no pictures. */
export function targetOf(set: DataSet, front: FrontEnd, classes = set.classes?.length ?? 0): TargetSource | undefined {
  const { target, labels } = set
  if (target?.kind === 'values') {
    const width = target.names.length
    return {
      shape: [width],
      at(index) {
        const y = new Float32Array(index.length * width)
        index.forEach((i, n) => y.set(target.values.subarray(i * width, (i + 1) * width), n * width))
        return y
      },
    }
  }
  if (target) {
    const [height = 0, width = 0] = front.kept.shape
    const { box } = front
    if (!box) throw new DataError('a class for each pixel needs pictures as input', { where: set.name })
    const read = async (index: Int32Array) => Float32Array.from(await target.read(index, [height, width], box))
    return { shape: [height, width], at: rowCache(set.length, height * width, false, read) as TargetSource['at'] }
  }
  if (!labels) return undefined
  return {
    shape: [classes],
    at: (index) =>
      oneHot(
        index.map((i) => labels[i]!),
        classes,
        set.name,
      ),
  }
}

function oneHot(label: Int32Array, classes: number, where: string): Float32Array {
  const y = new Float32Array(label.length * classes)
  for (const [n, k] of label.entries()) {
    if (k >= classes)
      throw new DataError(`expected class numbers below ${classes}, the model's number of classes, found ${k}`, { where })
    // Without a class, a row stays zero and does not count.
    if (k >= 0) y[n * classes + k] = 1
  }
  return y
}
