/** Levels of weights in buckets, as Polino et al. 2018 (arXiv:1802.05668) have them. */
import { sizeOf, TensorData } from '../ir/index.ts'
import { straightThrough, type Tensor } from '../ops/index.ts'

/** A weight laid out in buckets, each with its own linear scaling to [0, 1] (section 2, equations 4 and 5). */
export interface Buckets {
  /** [buckets, size], in [0, 1]; the last bucket is filled up with its weight's last number. */
  unit: Tensor
  /** Range of each bucket, [buckets, 1]: w = unit range + low. */
  range: Tensor
  low: Tensor
  /** A tensor of buckets in the weight's own shape. */
  back(t: Tensor): Tensor
}

/** Divides a weight, read in row-major order, into buckets of `size` numbers; 0: one bucket. */
export function inBuckets(w: Tensor, size: number): Buckets {
  const total = sizeOf(w.shape)
  const width = size === 0 ? total : Math.min(size, total)
  const count = Math.ceil(total / width)
  const flat = w.reshape([total])
  const places = Array.from({ length: count * width }, (_, i) => Math.min(i, total - 1))
  const rows = (count * width === total ? flat : flat.gather(w.b.ints(places))).reshape([count, width])
  const low = rows.min([1], true)
  // A bucket of equal numbers has no range; anything above 0 keeps them.
  const range = rows.max([1], true).sub(low).maximum(1e-12)
  const back = (t: Tensor) => {
    const whole = t.reshape([count * width])
    return (count * width === total ? whole : whole.slice([0], [total], [0])).reshape(w.shape)
  }
  return { unit: rows.sub(low).div(range), range, low, back }
}

/** w on 2^bits equal levels of its bucket. The gradient passes straight through (Algorithm 1). */
export function uniform(w: Tensor, bits: number, size: number, sign = 1): Tensor {
  const { unit, range, low, back } = inBuckets(w, size)
  const steps = 2 ** bits - 1
  return straightThrough(back(unit.mul(steps).emit('Round').div(steps).mul(range).add(low)), sign === 1 ? w : w.mul(sign))
}

/**
 * w on the nearest of `points` [levels] in its bucket's unit range; w itself is left as it is. A point's gradient is the sum over the weights
 * assigned to it of their gradients times their bucket's range (section 3.1, equation 8).
 */
export function nearest(w: Tensor, points: Tensor, size: number, sign = 1): Tensor {
  const { unit, range, low, back } = inBuckets(w.detach(), size)
  const [count, width] = unit.shape as [number, number]
  const far = unit
    .reshape([count, width, 1])
    .sub(points.detach().reshape([1, 1, points.size]))
    .abs()
  const chosen = points.gather(far.neg().argMax(-1))
  return back((sign === 1 ? chosen : straightThrough(chosen, chosen.mul(sign))).mul(range).add(low))
}

/** First points: equally far apart in [0, 1]. */
export const uniformPoints = (bits: number): TensorData =>
  TensorData.from('float32', [2 ** bits], Array.from({ length: 2 ** bits }, (_, j) => j / (2 ** bits - 1))) // prettier-ignore

/** The numbers of each bucket, with its lower end and its range (1 where all are equal). */
function buckets(w: TensorData, size: number): { values: number[]; low: number; range: number }[] {
  const all = Array.from(w.numbers())
  const width = size === 0 ? all.length : size
  return Array.from({ length: Math.ceil(all.length / width) }, (_, i) => {
    const values = all.slice(i * width, (i + 1) * width)
    const low = Math.min(...values)
    return { values, low, range: Math.max(...values) - low || 1 }
  })
}

/** First points: as many weights nearest to each, of all buckets together. */
export function quantilePoints(w: TensorData, bits: number, size: number): TensorData {
  const unit = buckets(w, size).flatMap(({ values, low, range }) => values.map((v) => (v - low) / range))
  unit.sort((a, b) => a - b)
  const count = 2 ** bits
  const at = (share: number) => unit[Math.min(unit.length - 1, Math.floor(share * unit.length))]!
  return TensorData.from('float32', [count], Array.from({ length: count }, (_, j) => at((j + 0.5) / count))) // prettier-ignore
}

/**
 * Bytes of a weight that lies on 2^bits equal levels of its buckets: a Huffman code of the levels, one for all buckets, and the two ends of
 * each bucket in 32 bits.
 */
export function codedBytes(w: TensorData, bits: number, size: number): number {
  const counts = new Array<number>(2 ** bits).fill(0)
  const all = buckets(w, size)
  for (const { values, low, range } of all) for (const v of values) counts[Math.round(((v - low) / range) * (counts.length - 1))]!++
  return (huffmanBits(counts.filter((n) => n > 0)) + 64 * all.length) / 8
}

/** Length in bits of a text of so many of each letter, in its Huffman code: the sum of all inner nodes' weights. */
export function huffmanBits(counts: readonly number[]): number {
  const queue = [...counts].sort((a, b) => a - b)
  if (queue.length < 2) return queue[0] ?? 0
  let total = 0
  while (queue.length > 1) {
    const joined = queue.shift()! + queue.shift()!
    total += joined
    const at = queue.findIndex((v) => v >= joined)
    queue.splice(at < 0 ? queue.length : at, 0, joined)
  }
  return total
}
