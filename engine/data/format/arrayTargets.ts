/** What an array of targets says: classes, numbers, or a class for each pixel. */
import { DataError } from '../../errors.ts'
import type { MapTarget, ValueTarget } from '../types.ts'
import type { NpyArray } from './npy.ts'
import { codingOf, fitMap, VOID } from './maps.ts'

export type ArrayTarget =
  { labels: Int32Array } | { target: ValueTarget; classes?: undefined } | { target: MapTarget; classes: readonly string[] }

/**
 * The targets of all parts together. Whole numbers [n] or [n, 1] and one-hot rows are classes; whole numbers [n, height, width] of pictures
 * of that size are maps; all else of rank 1 or 2 are numbers to predict. Throws DataError where lengths or shapes do not fit.
 */
export function arrayTarget(
  parts: readonly NpyArray[],
  counts: readonly number[],
  sample: readonly number[],
  where: string,
): ArrayTarget {
  parts.forEach(({ dims }, i) => {
    if (dims[0] !== counts[i] || dims.length > 3)
      throw new DataError(`expected a target for each of ${counts[i]} samples, found shape [${dims.join(', ')}]`, {
        where,
        hint: 'labels off ignores them',
      })
  })
  // [n] and [n, 1] say the same.
  const inner = parts.map((part) => part.dims.slice(1).filter((d, i, all) => d !== 1 || all.length !== 1 || i > 0))
  const dims = [parts[0]!.dims[0]!, ...inner[0]!]
  const rows = parts.flatMap((part, i) => (inner[i]!.join() === inner[0]!.join() ? [part.data] : []))
  if (rows.length < parts.length) throw new DataError('expected targets of one shape in all parts', { where })
  const values = joined(rows)
  const whole = values.every(Number.isInteger)
  const width = dims.slice(1).reduce((n, d) => n * d, 1)
  if (dims.length === 3) return { ...mapsOf(values, dims.slice(1), sample, whole, where) }
  if (width === 1 && whole) return { labels: Int32Array.from(values) }
  const hot = width > 1 && whole ? oneHotClasses(values, width) : undefined
  if (hot) return { labels: hot }
  const bad = values.findIndex((v) => !Number.isFinite(v))
  if (bad >= 0) throw new DataError(`target ${Math.floor(bad / width)} is no number`, { where, hint: 'labels off ignores them' })
  const names = width === 1 ? ['y'] : Array.from({ length: width }, (_, k) => `y${k}`)
  return { target: { kind: 'values', names, values: Float32Array.from(values) } }
}

function joined(parts: readonly ArrayLike<number>[]): Float64Array {
  const out = new Float64Array(parts.reduce((n, part) => n + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

/** Places of the ones, if each row is a single one among zeros. */
function oneHotClasses(values: Float64Array, width: number): Int32Array | undefined {
  const labels = new Int32Array(values.length / width)
  for (let n = 0; n < labels.length; n++) {
    const row = values.subarray(n * width, (n + 1) * width)
    const at = row.indexOf(1)
    if (at < 0 || row.some((v, k) => v !== (k === at ? 1 : 0))) return undefined
    labels[n] = at
  }
  return labels
}

function mapsOf(values: Float64Array, size: readonly number[], sample: readonly number[], whole: boolean, where: string) {
  const [height = 0, width = 0] = size
  const wrong = values.find((v) => v < 0 || v > VOID)
  if (!whole || wrong !== undefined || height !== sample[0] || width !== sample[1])
    throw new DataError(
      `expected class numbers from 0 to 255 for each of ${sample[0]} x ${sample[1]} pixels, found maps of ${height} x ${width}`,
      {
        where,
        hint: 'labels off ignores them',
      },
    )
  const coding = codingOf(new Set(values), where)
  const area = height * width
  const maps = Uint8Array.from(values)
  const target: MapTarget = {
    kind: 'map',
    read(indices, to, box) {
      const out = new Int16Array(indices.length * to[0] * to[1])
      indices.forEach((index, n) => {
        const map = { values: maps.subarray(index * area, (index + 1) * area), height, width, name: where }
        fitMap(map, to, box, coding, out, n * to[0] * to[1])
      })
      return Promise.resolve(out)
    },
  }
  return { target, classes: Array.from({ length: coding.classes }, (_, k) => String(k)) }
}
