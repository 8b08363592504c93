import type { TensorData } from '../ir/index.ts'

/** Rows from which on a table can be told from chance. */
const ROWS = 16
/** Columns looked at. */
const COLUMNS = 64
/** Share of a column's rows that must fit: a Fourier basis of cosines stacked on sines does not where the two meet. */
const FITTING = 0.9

/**
 * Whether a tensor of two axes or more is a table of sines and cosines: positions of transformers, rotary angles, the basis of a Fourier
 * transform that was exported as a convolution. Rows t of a column with one frequency obey t[k + 1] + t[k - 1] = 2 cos(angle) t[k], windowed
 * or not; learned weights do not, and constant or linear columns, which do with a factor of 2, prove nothing.
 */
export function isSinusoidal(data: TensorData): boolean {
  const [rows = 0, ...rest] = data.dims
  const width = rest.reduce((n, d) => n * d, 1)
  if (rows < ROWS || rest.length === 0 || width === 0) return false
  const v = data.numbers()
  const size = Math.sqrt(Array.from(v).reduce((s, x) => s + x * x, 0) / v.length)
  if (!(size > 0)) return false
  const step = Math.max(1, Math.floor(width / COLUMNS))
  let proving = 0
  let looked = 0
  for (let column = 0; column < width; column += step) {
    const t = Array.from({ length: rows }, (_, k) => v[k * width + column]!)
    const inner = t.slice(1, -1)
    const power = inner.reduce((s, x) => s + x * x, 0)
    if (Math.sqrt(power / rows) < 1e-3 * size) continue
    looked++
    const ratios = inner.flatMap((x, k) => (x * x * rows > power / 4 ? [(t[k]! + t[k + 2]!) / x] : [])).sort((a, b) => a - b)
    const factor = ratios[Math.floor(ratios.length / 2)] ?? 0
    const tolerance = 1e-3 * Math.sqrt(power / rows)
    const fits = inner.filter((x, k) => Math.abs(t[k]! + t[k + 2]! - factor * x) <= tolerance).length
    if (fits < FITTING * inner.length) return false
    if (Math.abs(factor) < 1.999) proving++
  }
  return proving >= Math.max(1, looked / 8)
}
