import { PRIVATE } from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import { explicit, type Geometry } from './spatial.ts'

const prod = (list: readonly number[]) => list.reduce((n, d) => n * d, 1)

/** End padding that makes every window fit, ceil_mode included. May be negative where the last columns are never read. */
export const fittingEnd = (size: readonly number[], g: Geometry): number[] =>
  g.out.map((o, i) => (o - 1) * g.strides[i]! + (g.kernel[i]! - 1) * g.dilations[i]! + 1 - size[i]! - g.begin[i]!)

/** Sum of each window of x [N, C, size...], channel by channel, as [N, C, out...]: a convolution with ones. */
export function sumWindows(x: Tensor, g: Geometry): Tensor {
  const size = x.shape.slice(2)
  const end = fittingEnd(size, g)
  const flat = x.reshape([prod(x.shape.slice(0, 2)), 1, ...size]).pad([0, 0, ...g.begin, 0, 0, ...end])
  const ones = x.b.full([1, 1, ...g.kernel], 1, x.dtype)
  const sums = flat.conv(ones, undefined, { strides: g.strides, dilations: g.dilations })
  return sums.reshape([...x.shape.slice(0, 2), ...g.out])
}

/** Windows side by side that cover the image exactly. */
const tiled = (size: readonly number[], g: Geometry): boolean =>
  size.every((s, i) => g.begin[i] === 0 && g.dilations[i] === 1 && g.strides[i] === g.kernel[i] && g.out[i]! * g.kernel[i]! === s)

/** Adjoint of `sumWindows`: each entry of d [N, C, out...] goes to all positions of its window, as [N, C, size...]. */
export function spreadWindows(d: Tensor, size: readonly number[], g: Geometry): Tensor {
  // A repetition. Its kernel was measured ahead of a transposed convolution with ones, and far ahead of Expand on inner axes.
  if (tiled(size, g)) {
    const scales = d.b.array('float32', [2 + size.length], [1, 1, ...g.kernel])
    const how = { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' }
    return d.emit('Resize', [undefined, scales], how)
  }
  const beyond = fittingEnd(size, g).map((e) => Math.max(0, e))
  const flat = d.reshape([prod(d.shape.slice(0, 2)), 1, ...g.out])
  const spread = flat.emit(
    'ConvGradInput',
    [d.b.full([1, 1, ...g.kernel], 1, d.dtype)],
    { ...explicit({ ...g, end: size.map(() => 0) }, 1), input_shape: size.map((s, i) => s + beyond[i]!) },
    { domain: PRIVATE },
  )
  return crop(spread, size).reshape([...d.shape.slice(0, 2), ...size])
}

/** The first `size` positions of each spatial axis. */
function crop(x: Tensor, size: readonly number[]): Tensor {
  const axes = size.flatMap((s, i) => (x.shape[i + 2] !== s ? [i + 2] : []))
  return x.slice(
    axes.map(() => 0),
    axes.map((i) => size[i - 2]!),
    axes,
  )
}

/** How many elements each window averages over: those inside the image, or also those in the explicit padding. */
export function windowCounts(size: readonly number[], g: Geometry, includePad: boolean): number[] {
  const along = g.out.map((n, i) =>
    Array.from({ length: n }, (_, o) => {
      let count = 0
      for (let k = 0; k < g.kernel[i]!; k++) {
        const at = o * g.strides[i]! - g.begin[i]! + k * g.dilations[i]!
        if (includePad ? at < size[i]! + g.end[i]! : at >= 0 && at < size[i]!) count++
      }
      return count
    }),
  )
  return along.reduce<number[]>((list, counts) => list.flatMap((n) => counts.map((c) => n * c)), [1])
}
