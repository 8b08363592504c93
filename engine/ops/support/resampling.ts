/** Interpolation along one axis. Source: onnx Resize-19; Keys 1981 for the cubic kernel. */
export interface Resampling {
  readonly mode: string
  readonly coordinates: string
  readonly nearest: string
  readonly cubic: number
  readonly excludeOutside: boolean
  readonly antialias: boolean
}

/** One axis of a call: sizes, the scale as ONNX Runtime computes it (single precision), and the region of `tf_crop_and_resize`. */
export interface ResizedAxis {
  readonly from: number
  readonly to: number
  readonly scale: number
  readonly roi: readonly [start: number, end: number]
}

const f = Math.fround

/**
 * Position in the input of output `i`. Rounded to single precision after each operation: which neighbour is nearest depends on it.
 */
export function sourceOf(i: number, coordinates: string, { from, to, scale, roi: [start, end] }: ResizedAxis): number {
  switch (coordinates) {
    case 'asymmetric':
      return f(i / scale)
    case 'pytorch_half_pixel':
      return to > 1 ? f(f(f(i + 0.5) / scale) - 0.5) : 0
    case 'align_corners':
      return to === 1 ? 0 : f(f(i * (from - 1)) / (to - 1))
    case 'tf_crop_and_resize':
      return to > 1
        ? f(f(start * (from - 1)) + f(f(f(i * f(end - start)) * (from - 1)) / (to - 1)))
        : f(0.5 * f(start + end) * (from - 1))
    case 'half_pixel_symmetric': {
      const adjustment = f(to / f(scale * from))
      const offset = f((from / 2) * f(1 - adjustment))
      return f(f(offset + f(f(i + 0.5) / scale)) - 0.5)
    }
    default:
      return f(f(f(i + 0.5) / scale) - 0.5)
  }
}

function nearestTo(at: number, rounding: string): number {
  if (rounding === 'floor') return Math.floor(at)
  if (rounding === 'ceil') return Math.ceil(at)
  const half = at - Math.trunc(at) === 0.5
  if (rounding !== 'round_prefer_ceil' && half) return Math.floor(at)
  return at < 0 ? -Math.round(-at) : Math.round(at)
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x))

/** Keys' kernel with parameter `a`. */
export function cubicKernel(x: number, a: number): number {
  const t = Math.abs(x)
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1
  return t < 2 ? a * (((t - 5) * t + 8) * t - 4) : 0
}

/** Weights by input position of one output: positions beyond the ends count for the end, or not at all. */
function collect(
  row: Float64Array,
  first: number,
  last: number,
  weight: (at: number) => number,
  how: { excludeOutside: boolean; normalize: boolean },
): void {
  let total = 0
  for (let at = first; at <= last; at++) {
    const outside = at < 0 || at >= row.length
    if (outside && how.excludeOutside) continue
    const w = weight(at)
    total += w
    row[Math.min(row.length - 1, Math.max(0, at))]! += w
  }
  if (how.normalize && total !== 0) for (let k = 0; k < row.length; k++) row[k]! /= total
}

function fill(row: Float64Array, at: number, how: Resampling, scale: number): void {
  const last = row.length - 1
  if (how.mode === 'nearest') {
    row[Math.min(last, Math.max(0, nearestTo(at, how.nearest)))] = 1
    return
  }
  const kernel = how.mode === 'cubic' ? (x: number) => cubicKernel(x, how.cubic) : triangle
  const reach = how.mode === 'cubic' ? 2 : 1
  if (how.antialias) {
    // The kernel is widened by the factor that the image shrinks by.
    const wide = Math.max(1, f(1 / scale))
    const first = Math.floor(f(f(at + 0.5) - f(reach * wide) + 0.5))
    const end = Math.floor(f(f(at + 0.5) + f(reach * wide) + 0.5))
    collect(row, first, end - 1, (k) => kernel((k - at) / wide), { excludeOutside: how.excludeOutside, normalize: true })
    return
  }
  const inside = how.mode === 'linear' ? Math.min(last, Math.max(0, at)) : at
  const floor = Math.floor(inside)
  collect(row, floor - reach + 1, floor + reach, (k) => kernel(k - inside), {
    excludeOutside: how.excludeOutside,
    normalize: how.excludeOutside,
  })
}

/**
 * The linear map from an axis of `from` entries to one of `to`, row-major [to, from], and which outputs lie outside of the input (rows of
 * zeros there: `extrapolation_value` takes their place).
 */
export function resamplingMatrix(axis: ResizedAxis, how: Resampling): { matrix: Float64Array; outside: boolean[] } {
  const { from, to, scale } = axis
  const matrix = new Float64Array(from * to)
  const outside = new Array<boolean>(to).fill(false)
  for (let i = 0; i < to; i++) {
    const row = matrix.subarray(i * from, (i + 1) * from)
    // An axis of scale 1 is copied, whatever the coordinates.
    const at = scale === 1 ? i : sourceOf(i, how.coordinates, axis)
    outside[i] = how.coordinates === 'tf_crop_and_resize' && (at < 0 || at > from - 1)
    if (!outside[i]) fill(row, at, how, scale)
  }
  return { matrix, outside }
}
