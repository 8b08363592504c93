import { blocksOf, defineRounder } from '../rounder.ts'
import { roundToNearest } from './rtn.ts'

/** Norm of the residual that is shrunk: below 1, so that few large errors are preferred over many small ones. */
const P = 0.7
/** Penalty at the start, and its growth in each round. Values of the authors' implementation. */
const BETA = 10
const KAPPA = 1.01
const ROUNDS = 20

/** The minimum over e of |e|^p + beta/2 (e - x)^2, by generalised soft thresholding (equation 4). */
const shrink = (x: number, beta: number): number => {
  const size = Math.abs(x)
  return size === 0 ? 0 : Math.sign(x) * Math.max(0, size - size ** (P - 1) / beta)
}

export default defineRounder({
  id: 'hqq',
  title: 'Half-quadratic quantization',
  why: 'Needs no samples: moves zero points so that a few large weights do not decide how all others are rounded.',
  source: 'Badri & Shaji 2023, Half-Quadratic Quantization of Large Machine Learning Models, section 2',
  needsInputs: false,
  round(w, grid) {
    const top = 2 ** grid.bits - 1
    const start = roundToNearest(w, grid)
    const blocks = blocksOf(w.columns, grid)
    for (let row = 0; row < w.rows; row++)
      for (let b = 0; b < blocks; b++) {
        const at = row * blocks + b
        const values = w.values.subarray(
          row * w.columns + b * grid.block,
          row * w.columns + Math.min(w.columns, (b + 1) * grid.block),
        )
        const scale = start.scale[at]!
        const level = (x: number, zero: number) => Math.min(top, Math.max(0, Math.round(x / scale + zero)))
        const errorOf = (zero: number) => values.reduce((s, x) => s + Math.abs(x - (level(x, zero) - zero) * scale) ** P, 0)
        let zero = start.zero[at]!
        let best = { zero, error: errorOf(zero) }
        for (let round = 0, beta = BETA; round < ROUNDS; round++, beta *= KAPPA) {
          // The residual's part that the norm keeps, then the zero point that fits the rest (equations 3 and 5).
          let sum = 0
          for (const x of values) {
            const q = level(x, zero)
            const e = shrink(x - (q - zero) * scale, beta)
            sum += q - (x - e) / scale
          }
          zero = Math.fround(sum / values.length)
          const error = errorOf(zero)
          if (error >= best.error) break
          best = { zero, error }
        }
        start.zero[at] = best.zero
        values.forEach((x, i) => (start.levels[row * w.columns + b * grid.block + i] = level(x, best.zero)))
      }
    return start
  },
})
