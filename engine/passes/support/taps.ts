import type { Tensor } from '../../ops/index.ts'
import { taps, type Geometry } from '../../ops/support/spatial.ts'

const spatial = (t: Tensor): readonly number[] => t.shape.slice(2)

/** Pads (or crops) the end so that exactly the windows of `g` fit. */
function padded(x: Tensor, g: Geometry, value: number): Tensor {
  const end = g.out.map((o, i) => (o - 1) * g.strides[i]! + (g.kernel[i]! - 1) * g.dilations[i]! + 1 - spatial(x)[i]! - g.begin[i]!)
  if (g.begin.every((p) => p === 0) && end.every((p) => p === 0)) return x
  return x.pad([0, 0, ...g.begin, 0, 0, ...end], value)
}

/** What each tap of the kernel sees: [N, C, out...] for every tap, in row-major order; `border` beyond the image. */
export function seenByTaps(x: Tensor, g: Geometry, border = 0): Tensor[] {
  const p = padded(x, g, border)
  const axes = g.out.map((_, i) => i + 2)
  const whole = g.kernel.every((k) => k === 1) && g.strides.every((s) => s === 1)
  if (whole) return [p]
  return taps(g.kernel).map((t) => {
    const starts = t.map((k, i) => k * g.dilations[i]!)
    const ends = starts.map((s, i) => s + (g.out[i]! - 1) * g.strides[i]! + 1)
    return p.slice(starts, ends, axes, g.strides.some((s) => s !== 1) ? g.strides : undefined)
  })
}

/** Puts the column of one tap, [N, C, out...], where it came from in the input, [N, C, size...]; zeros elsewhere. */
export function place(col: Tensor, tap: readonly number[], g: Geometry, size: readonly number[]): Tensor {
  const n = g.out.length
  let t = col
  if (g.strides.some((s) => s !== 1)) {
    const [lead, out] = [t.shape.slice(0, 2), g.out]
    t = t.reshape([...lead, ...out.flatMap((o) => [o, 1])])
    t = t.pad([...Array<number>(2 + 2 * n).fill(0), 0, 0, ...g.strides.flatMap((s) => [0, s - 1])])
    t = t.reshape([...lead, ...out.map((o, i) => o * g.strides[i]!)])
  }
  const begin = tap.map((k, i) => k * g.dilations[i]! - g.begin[i]!)
  const end = size.map((s, i) => s - begin[i]! - t.shape[i + 2]!)
  return t.pad([0, 0, ...begin, 0, 0, ...end])
}
