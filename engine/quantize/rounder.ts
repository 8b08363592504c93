/** How a weight is stored: unsigned integers of some bits, with one scale and zero point for each block of a row. */
export interface WeightGrid {
  readonly bits: 4 | 8
  /** Columns that share a scale. */
  readonly block: number
}

/** A weight as a matrix: a row for each output channel, a column for each number that the channel reads. Row-major. */
export interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly values: Float64Array
}

/** w[r, c] is (levels[r, c] - zero[r, b]) scale[r, b] with b = floor(c / block). */
export interface RoundedMatrix {
  readonly levels: Uint8Array
  /** [rows, blocks] */
  readonly scale: Float32Array
  /** [rows, blocks]; a fraction where the method moves it. */
  readonly zero: Float32Array
  /** Columns were multiplied by this before rounding, so the layer's input is to be divided by it. */
  readonly columnScale?: Float64Array
}

/** What a layer reads, over the calibration samples. */
export interface InputStatistics {
  /**
   * X^T X / n over n rows that the layer reads: how much an error in each pair of columns costs. The diagonal tiles of TILE columns (the last
   * may be smaller), each [size, size] row-major: what columns further apart have in common is left out, as its cost would grow with the
   * square of the columns in memory and with the cube in time.
   */
  readonly gram: readonly Float64Array[]
  /** Mean of |x| of each column. */
  readonly meanAbs: Float64Array
}

/** A way to choose the integers of a weight. */
export interface Rounder {
  readonly id: string
  readonly title: string
  /** What it is good for, one sentence. */
  readonly why: string
  /** Paper, or where else the algorithm is described. */
  readonly source: string
  /** Needs samples: `statistics` is then given. */
  readonly needsInputs: boolean
  /**
   * Rounding up or down is then learned on the model itself, on the grid that `round` gives: for each layer by itself, or for blocks of them
   * (`reconstruct/`).
   */
  readonly learns?: 'layer' | 'block'
  round(w: Matrix, grid: WeightGrid, statistics: InputStatistics | undefined): RoundedMatrix
}

/** Columns of one tile of the second moments. */
export const TILE = 1024

export const defineRounder = (rounder: Rounder): Rounder => rounder

export const blocksOf = (columns: number, grid: WeightGrid): number => Math.ceil(columns / grid.block)

/** Scale and zero point that cover [min, max] and 0 exactly. The scale is a float32 number, as it is stored. */
export function affine(min: number, max: number, bits: number): { scale: number; zero: number } {
  const top = 2 ** bits - 1
  const [low, high] = [Math.min(0, min), Math.max(0, max)]
  const scale = Math.fround((high - low) / top)
  if (!(scale > 1e-30)) return { scale: 1, zero: 0 }
  return { scale, zero: Math.min(top, Math.max(0, Math.round(-low / scale))) }
}

/** The nearest level. */
export const levelOf = (x: number, scale: number, zero: number, bits: number): number =>
  Math.min(2 ** bits - 1, Math.max(0, Math.round(x / scale + zero)))

/** Storage for a rounded matrix. */
export function emptyRounding(w: Matrix, grid: WeightGrid): { levels: Uint8Array; scale: Float32Array; zero: Float32Array } {
  const blocks = w.rows * blocksOf(w.columns, grid)
  return { levels: new Uint8Array(w.rows * w.columns), scale: new Float32Array(blocks), zero: new Float32Array(blocks) }
}

/**
 * As rounding to nearest, but each block's range is shrunk to where the squared error of its weights is least: a step of few bits is better spent
 * on many small weights than on one large one.
 */
export function leastSquares(w: Matrix, grid: WeightGrid): RoundedMatrix {
  const out = emptyRounding(w, grid)
  const blocks = blocksOf(w.columns, grid)
  for (let row = 0; row < w.rows; row++)
    for (let b = 0; b < blocks; b++) {
      const from = row * w.columns + b * grid.block
      const values = w.values.subarray(from, row * w.columns + Math.min(w.columns, (b + 1) * grid.block))
      let [min, max] = [0, 0]
      for (const x of values) [min, max] = [Math.min(min, x), Math.max(max, x)]
      let best = { error: Infinity, scale: 1, zero: 0 }
      for (let k = 0; k < SHRINKS; k++) {
        const share = 1 - k / (2 * SHRINKS)
        const { scale, zero } = affine(min * share, max * share, grid.bits)
        const error = values.reduce((s, x) => s + (x - (levelOf(x, scale, zero, grid.bits) - zero) * scale) ** 2, 0)
        if (error < best.error) best = { error, scale, zero }
      }
      out.scale[row * blocks + b] = best.scale
      out.zero[row * blocks + b] = best.zero
      values.forEach((x, i) => (out.levels[from + i] = levelOf(x, best.scale, best.zero, grid.bits)))
    }
  return out
}

/** Ranges that are tried, from the whole one to half of it. */
const SHRINKS = 20

/** The numbers that a rounded matrix stands for, without `columnScale`. */
export function dequantized(r: RoundedMatrix, w: Pick<Matrix, 'rows' | 'columns'>, grid: WeightGrid): Float64Array {
  const blocks = blocksOf(w.columns, grid)
  const out = new Float64Array(w.rows * w.columns)
  for (let row = 0; row < w.rows; row++)
    for (let c = 0; c < w.columns; c++) {
      const b = row * blocks + Math.floor(c / grid.block)
      out[row * w.columns + c] = (r.levels[row * w.columns + c]! - r.zero[b]!) * r.scale[b]!
    }
  return out
}
