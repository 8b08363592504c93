import { BugError } from '../../errors.ts'
import { inverseFactor } from '../linalg.ts'
import {
  affine,
  blocksOf,
  defineRounder,
  emptyRounding,
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
 * w_j -= (w_i - q_i) U_ij / U_ii with U^T U the inverse Hessian (equation 3 with the Cholesky form of section 3.3).
 */
export function gptq(w: Matrix, grid: WeightGrid, { gram }: InputStatistics): RoundedMatrix {
  const { rows, columns } = w
  const out = emptyRounding(w, grid)
  const blocks = blocksOf(columns, grid)
  const values = w.values.slice()
  gram.forEach((tile, t) => {
    const from = t * TILE
    const n = Math.min(TILE, columns - from)
    const hessian = tile.slice()
    // A column that no input ever reaches costs nothing, whatever it is.
    for (let c = 0; c < n; c++)
      if (hessian[c * n + c] === 0) {
        hessian[c * n + c] = 1
        for (let r = 0; r < rows; r++) values[r * columns + from + c] = 0
      }
    const u = inverseFactor(hessian, n, DAMP)
    for (let i = 0; i < n; i++) {
      const c = from + i
      const b = Math.floor(c / grid.block)
      if (c % grid.block === 0) begin(values, w, grid, c, out)
      const pivot = u[i * n + i]!
      for (let r = 0; r < rows; r++) {
        const at = r * blocks + b
        const [scale, zero] = [out.scale[at]!, out.zero[at]!]
        const x = values[r * columns + c]!
        const level = levelOf(x, scale, zero, grid.bits)
        out.levels[r * columns + c] = level
        const error = (x - (level - zero) * scale) / pivot
        if (error !== 0) for (let j = i + 1; j < n; j++) values[r * columns + from + j]! -= error * u[i * n + j]!
      }
    }
  })
  return out
}

/** Scales of the block that begins at a column, from its weights as they are by then. */
function begin(
  values: Float64Array,
  { rows, columns }: Matrix,
  grid: WeightGrid,
  c: number,
  out: ReturnType<typeof emptyRounding>,
): void {
  const at = Math.floor(c / grid.block)
  for (let r = 0; r < rows; r++) {
    let [min, max] = [0, 0]
    for (let i = c; i < Math.min(columns, c + grid.block); i++) {
      min = Math.min(min, values[r * columns + i]!)
      max = Math.max(max, values[r * columns + i]!)
    }
    const { scale, zero } = affine(min, max, grid.bits)
    out.scale[r * blocksOf(columns, grid) + at] = scale
    out.zero[r * blocksOf(columns, grid) + at] = zero
  }
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
