import type { DataType } from '../ir/index.ts'

/** A grid of integers that real numbers are rounded to. */
export interface Grid {
  dtype: DataType & ('int8' | 'uint8' | 'int16' | 'uint16')
  low: number
  high: number
}

/** A number format for a whole model. Static: activations have ranges that calibration finds beforehand. */
export interface Scheme {
  readonly id: string
  readonly title: string
  /** What layers computed this way are called in reports. */
  readonly precision: string
  /** Bits of each weight and activation, for messages and reports. */
  readonly weightBits: number
  readonly activationBits: number
  /** Products are added in pairs in 16 bits on x86 processors without VNNI, which full 8-bit weights can overflow. */
  readonly saturates: boolean
  /** Activations, asymmetric, one scale for a tensor. */
  readonly activations: Grid
  /** Weights, symmetric: the middle of the grid stands for 0. */
  readonly weights: Grid
}

export const defineScheme = (scheme: Scheme): Scheme => scheme

/** Scale and zero point: real = (integer - zero) * scale. */
export interface Quantization {
  scale: number
  zero: number
}

/**
 * Scale and zero point for reals in [min, max], widened so that 0 is in it: zero padding and Relu must be exact.
 * The scale is a float32 number, as it is stored.
 */
export function asymmetric([min, max]: readonly [number, number], grid: Grid): Quantization {
  const low = Math.min(0, min)
  const high = Math.max(0, max)
  const scale = Math.fround((high - low) / (grid.high - grid.low))
  // A tensor of zeros alone, or of numbers too small to divide by.
  if (!(scale > 1e-30)) return { scale: 1, zero: grid.low }
  return { scale, zero: clampTo(grid, grid.low - low / scale) }
}

/** As `asymmetric`, with the middle of the grid for 0: half of the integers are lost on what is never negative. */
export function symmetric([min, max]: readonly [number, number], grid: Grid): Quantization {
  const zero = Math.ceil((grid.low + grid.high) / 2)
  const scale = Math.fround(Math.max(Math.abs(min), Math.abs(max)) / (grid.high - zero))
  return scale > 1e-30 ? { scale, zero } : { scale: 1, zero }
}

/** Round half to even, as QuantizeLinear does. */
export function roundEven(x: number): number {
  const down = Math.floor(x)
  const rest = x - down
  if (rest !== 0.5) return Math.round(x)
  return down % 2 === 0 ? down : down + 1
}

export const clampTo = (grid: Pick<Grid, 'low' | 'high'>, x: number): number =>
  Math.min(grid.high, Math.max(grid.low, roundEven(x)))

/** Range of reals that the grid covers. */
export const covered = ({ scale, zero }: Quantization, grid: Grid): [number, number] => [
  (grid.low - zero) * scale,
  (grid.high - zero) * scale,
]
