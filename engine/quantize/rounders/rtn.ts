import {
  affine,
  blocksOf,
  defineRounder,
  emptyRounding,
  levelOf,
  type Matrix,
  type RoundedMatrix,
  type WeightGrid,
} from '../rounder.ts'

/** Rounds every number to the nearest level of a grid from the block's smallest to its largest. */
export function roundToNearest(w: Matrix, grid: WeightGrid): RoundedMatrix {
  const out = emptyRounding(w, grid)
  const blocks = blocksOf(w.columns, grid)
  for (let row = 0; row < w.rows; row++)
    for (let b = 0; b < blocks; b++) {
      const from = row * w.columns + b * grid.block
      const to = row * w.columns + Math.min(w.columns, (b + 1) * grid.block)
      let [min, max] = [0, 0]
      for (let i = from; i < to; i++) {
        min = Math.min(min, w.values[i]!)
        max = Math.max(max, w.values[i]!)
      }
      const { scale, zero } = affine(min, max, grid.bits)
      out.scale[row * blocks + b] = scale
      out.zero[row * blocks + b] = zero
      for (let i = from; i < to; i++) out.levels[i] = levelOf(w.values[i]!, scale, zero, grid.bits)
    }
  return out
}

export default defineRounder({
  id: 'rtn',
  title: 'Round to nearest',
  why: 'Needs no samples and no time; enough at 8 bits.',
  source: 'the definition of DequantizeLinear-21, with min-max ranges',
  needsInputs: false,
  round: (w, grid) => roundToNearest(w, grid),
})
