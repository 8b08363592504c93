import { sizeOf, TensorData } from '../ir/index.ts'
import { clampTo, type Grid } from './scheme.ts'

/** Candidates for a step, as shares of the one that covers the largest weight. */
const SHARES = Array.from({ length: 41 }, (_, i) => 1 - i / 50)

/** Channel of each number, and how many there are. */
function channels(weight: TensorData, axis: number | undefined) {
  const count = axis === undefined ? 1 : weight.dims[axis]!
  const inner = axis === undefined ? weight.size : sizeOf(weight.dims.slice(axis + 1))
  return { count, of: (i: number) => Math.floor(i / inner) % count }
}

/**
 * The step for each channel (axis undefined: one for all) with which integers from -high to high are nearest to a weight in squares, of 41
 * candidates between a fifth of the full range and all of it.
 */
export function bestStep(weight: TensorData, axis: number | undefined, high: number): Float32Array {
  const values = weight.numbers()
  const { count, of } = channels(weight, axis)
  const largest = new Float64Array(count)
  for (let i = 0; i < values.length; i++) largest[of(i)] = Math.max(largest[of(i)]!, Math.abs(values[i]!))
  const grid = { low: -high, high }
  const best = new Float32Array(count).fill(1)
  const least = new Float64Array(count).fill(Infinity)
  for (const share of SHARES) {
    const step = largest.map((v) => Math.fround((v * share) / high))
    const error = new Float64Array(count)
    for (let i = 0; i < values.length; i++) {
      const s = step[of(i)]!
      if (s > 0) error[of(i)]! += (values[i]! - clampTo(grid, values[i]! / s) * s) ** 2
    }
    for (let c = 0; c < count; c++)
      if (step[c]! > 0 && error[c]! < least[c]!) {
        least[c] = error[c]!
        best[c] = step[c]!
      }
  }
  return best
}

/** A weight without what lies beyond the grid's ends. */
export function clipTo(weight: TensorData, axis: number | undefined, step: Float32Array, { low, high }: Grid): TensorData {
  const { of } = channels(weight, axis)
  const values = Float32Array.from(weight.numbers(), (v, i) => Math.min(high * step[of(i)]!, Math.max(low * step[of(i)]!, v)))
  return TensorData.of('float32', weight.dims, values)
}
