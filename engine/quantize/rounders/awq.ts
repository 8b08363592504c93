import { BugError } from '../../errors.ts'
import {
  defineRounder,
  dequantized,
  TILE,
  type InputStatistics,
  type Matrix,
  type RoundedMatrix,
  type WeightGrid,
} from '../rounder.ts'
import { roundToNearest } from './rtn.ts'

/** Exponents that are tried: alpha = k / STEPS. */
const STEPS = 20

/** Squared change of the layer's output, summed over rows: E G E^T with E the change of the weight and G the inputs' second moments. */
export function outputError(w: Matrix, changed: Float64Array, gram: InputStatistics['gram']): number {
  const { rows, columns } = w
  let sum = 0
  gram.forEach((tile, t) => {
    const from = t * TILE
    const n = Math.min(TILE, columns - from)
    const e = new Float64Array(n)
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < n; c++) e[c] = changed[r * columns + from + c]! - w.values[r * columns + from + c]!
      for (let i = 0; i < n; i++) {
        if (e[i] === 0) continue
        let dot = 0
        for (let j = 0; j < n; j++) dot += tile[i * n + j]! * e[j]!
        sum += e[i]! * dot
      }
    }
  })
  return sum
}

/** Columns with large inputs are magnified before rounding: s = meanAbs^alpha, alpha from a grid search (equations 4 and 5). */
function awq(w: Matrix, grid: WeightGrid, { gram, meanAbs }: InputStatistics): RoundedMatrix {
  const { rows, columns } = w
  let best: { error: number; rounded: RoundedMatrix } | undefined
  for (let k = 0; k <= STEPS; k++) {
    const s = meanAbs.map((m) => Math.max(m, 1e-8) ** (k / STEPS))
    // The overall size is free: keep the products around 1.
    const [low, high] = [Math.min(...s), Math.max(...s)]
    const norm = Math.sqrt(low * high)
    s.forEach((v, i) => (s[i] = Math.fround(v / norm)))
    const scaled = Float64Array.from(w.values, (v, i) => v * s[i % columns]!)
    const rounded = roundToNearest({ rows, columns, values: scaled }, grid)
    const back = dequantized(rounded, w, grid).map((v, i) => v / s[i % columns]!)
    const error = outputError(w, back, gram)
    if (!best || error < best.error) best = { error, rounded: k === 0 ? rounded : { ...rounded, columnScale: s } }
  }
  return best!.rounded
}

export default defineRounder({
  id: 'awq',
  title: 'Activation-aware scaling (AWQ)',
  why: 'Protects the weights that large inputs meet; needs few samples, and does not fit itself to them.',
  source: 'Lin et al. 2023, arXiv:2306.00978, section 3.2',
  needsInputs: true,
  round(w, grid, statistics) {
    if (!statistics) throw new BugError('awq needs input statistics')
    return awq(w, grid, statistics)
  },
})
