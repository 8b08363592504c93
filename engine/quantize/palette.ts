import type { Graph } from '../ir/index.ts'
import { weightLayers } from './matrices.ts'
import { decibels } from './weights.ts'

/** What a palette would do to one layer: 2^bits shared values in place of its weights. */
export interface PaletteAccount {
  name: string
  bits: number
  /** Signal to quantization noise of the weight, dB; null where nothing is lost. */
  sqnr: number | null
  /** Indices of `bits` bits and the palette in float32. */
  bytes: number
  /** Bytes of the weight as it is. */
  before: number
}

export const PALETTE_BITS = [2, 3, 4, 6, 8] as const
/** Rounds of Lloyd's algorithm; it settles earlier in most cases. */
const ROUNDS = 50

/**
 * How well each layer's weight is described by few shared values, found by k-means (Han et al. 2016, arXiv:1510.00149, section 3). An analysis:
 * ONNX has no operator that computes from palettes, so no file gets smaller by it here.
 */
export function analysePalettes(graph: Graph, bits: readonly number[] = PALETTE_BITS): PaletteAccount[] {
  return weightLayers(graph).flatMap(({ node, weight }) => {
    if (!weight || weight.dtype === 'int8' || weight.size === 0) return []
    const sorted = Float64Array.from(weight.numbers()).sort()
    const sums = new Float64Array(sorted.length + 1)
    sorted.forEach((v, i) => (sums[i + 1] = sums[i]! + v))
    const signal = sorted.reduce((s, v) => s + v * v, 0)
    return bits.map((b) => {
      const noise = noiseOf(sorted, palette(sorted, sums, 2 ** b))
      const sqnr = decibels(signal, noise)
      return {
        name: node.name || node.outputs[0]!,
        bits: b,
        sqnr: Number.isFinite(sqnr) ? sqnr : null,
        bytes: Math.ceil((weight.size * b) / 8) + 4 * Math.min(2 ** b, weight.size),
        before: weight.bytes.byteLength,
      }
    })
  })
}

/**
 * k values with a small sum of squared distances to the nearest, by Lloyd's algorithm from evenly spread ones (the start that the paper found best).
 * @param sorted the numbers, ascending; `sums` their running sums
 */
export function palette(sorted: Float64Array, sums: Float64Array, k: number): Float64Array {
  const n = sorted.length
  const [low, high] = [sorted[0]!, sorted[n - 1]!]
  let centres = Float64Array.from({ length: k }, (_, i) => (k === 1 ? (low + high) / 2 : low + ((high - low) * i) / (k - 1)))
  for (let round = 0; round < ROUNDS; round++) {
    let from = 0
    let moved = false
    const next = centres.map((centre, i) => {
      const to = i === k - 1 ? n : firstAbove(sorted, (centre + centres[i + 1]!) / 2, from)
      const mean = to > from ? (sums[to]! - sums[from]!) / (to - from) : centre
      from = to
      moved ||= mean !== centre
      return mean
    })
    centres = next
    if (!moved) break
  }
  return centres
}

/** Index of the first number above a bound, from an index on. */
function firstAbove(sorted: Float64Array, bound: number, from: number): number {
  let [low, high] = [from, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! > bound) high = middle
    else low = middle + 1
  }
  return low
}

function noiseOf(sorted: Float64Array, centres: Float64Array): number {
  let [sum, at] = [0, 0]
  for (const v of sorted) {
    while (at + 1 < centres.length && Math.abs(centres[at + 1]! - v) <= Math.abs(centres[at]! - v)) at++
    sum += (v - centres[at]!) ** 2
  }
  return sum
}
