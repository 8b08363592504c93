import { defineCalibrator } from '../calibrator.ts'
import { Histogram } from '../histogram.ts'
import { asymmetric, clampTo, type Grid } from '../scheme.ts'

const STEPS = 64

export default defineCalibrator({
  id: 'mse',
  title: 'Least squared error',
  why: 'Balances the error of rounding against that of clipping for the values that were seen.',
  range(seen, grid) {
    // One end after the other; two rounds settle, as the ends hardly depend on each other.
    let best: [number, number] = [Math.min(0, seen.min), Math.max(0, seen.max)]
    for (let round = 0; round < 2; round++) {
      for (const end of [1, 0] as const) {
        const from = end === 1 ? Math.max(0, seen.max) : Math.min(0, seen.min)
        let least = squaredError(seen, grid, best)
        for (let k = 1; k < STEPS; k++) {
          const tried: [number, number] = [...best]
          tried[end] = from * (1 - k / STEPS)
          const error = squaredError(seen, grid, tried)
          if (error < least) {
            least = error
            best = tried
          }
        }
      }
    }
    return best
  },
})

/** Sum of squared differences between the values and what is left of them. */
export function squaredError(seen: Histogram, grid: Grid, range: readonly [number, number]): number {
  const q = asymmetric(range, grid)
  let sum = 0
  for (let bin = 0; bin < Histogram.BINS; bin++) {
    const count = seen.counts[bin]!
    if (count === 0) continue
    const x = seen.centre(bin)
    const back = (clampTo(grid, x / q.scale + q.zero) - q.zero) * q.scale
    sum += count * (x - back) ** 2
  }
  return sum
}
