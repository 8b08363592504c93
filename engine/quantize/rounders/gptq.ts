import { BugError } from '../../errors.ts'
import { inverseFactor } from '../linalg.ts'
import {
  blocksOf,
  defineRounder,
  leastSquares,
  levelOf,
  TILE,
  type InputStatistics,
  type Matrix,
  type RoundedMatrix,
  type WeightGrid,
} from '../rounder.ts'

/** Share of the mean diagonal that is added to the Hessian (section 3.3). */
const DAMP = 0.01

/**
 * Rounds the columns one after the other; each column's error is spread over those that are still free so that the layer's output changes least:
 * w_j -= (w_i - q_i) U_ij / U_ii with U^T U the inverse Hessian (equation 3 with the Cholesky form of section 3.3). Columns with the largest
 * inputs come first, while there are many to make up for them: the order that the authors' implementation calls act-order. Scales are therefore
 * found beforehand.
 */
export function gptq(w: Matrix, grid: WeightGrid, { gram }: InputStatistics): RoundedMatrix {
  const { rows, columns } = w
  const out = leastSquares(w, grid)
  const blocks = blocksOf(columns, grid)
  const values = w.values.slice()
  gram.forEach((tile, t) => {
    const from = t * TILE
    const n = Math.min(TILE, columns - from)
    const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => tile[b * n + b]! - tile[a * n + a]! || a - b)
    const hessian = new Float64Array(n * n)
    order.forEach((p, i) => order.forEach((q, j) => (hessian[i * n + j] = tile[p * n + q]!)))
    // A column that no input ever reaches costs nothing, whatever it is.
    for (let i = 0; i < n; i++)
      if (hessian[i * n + i] === 0) {
        hessian[i * n + i] = 1
        for (let r = 0; r < rows; r++) values[r * columns + from + order[i]!] = 0
      }
    const u = inverseFactor(hessian, n, DAMP)
    for (let i = 0; i < n; i++) {
      const c = from + order[i]!
      const b = Math.floor(c / grid.block)
      const pivot = u[i * n + i]!
      for (let r = 0; r < rows; r++) {
        const at = r * blocks + b
        const [scale, zero] = [out.scale[at]!, out.zero[at]!]
        const x = values[r * columns + c]!
        const level = levelOf(x, scale, zero, grid.bits)
        out.levels[r * columns + c] = level
        const error = (x - (level - zero) * scale) / pivot
        if (error !== 0) for (let j = i + 1; j < n; j++) values[r * columns + from + order[j]!]! -= error * u[i * n + j]!
      }
    }
  })
  return out
}

export default defineRounder({
  id: 'gptq',
  title: 'GPTQ',
  why: 'Lets later weights make up for the rounding of earlier ones, as the samples show that it matters; the best at 4 bits.',
  source: 'Frantar et al. 2022, arXiv:2210.17323, algorithm 1',
  needsInputs: true,
  round(w, grid, statistics) {
    if (!statistics) throw new BugError('gptq needs input statistics')
    return gptq(w, grid, statistics)
  },
})
