import { axisOf, sameShape, sizeOf } from '../../ir/index.ts'
import { float, int, ints, string, type AttrValues } from '../attrs.ts'
import { defineOp, type Example } from '../rule.ts'
import { axesIn, tieAxes } from '../support/axes.ts'
import { resamplingMatrix, type Resampling, type ResizedAxis } from '../support/resampling.ts'
import { knownValues } from '../support/values.ts'
import { concat, type Tensor } from '../tensor.ts'

const attrs = {
  mode: string('nearest'),
  coordinate_transformation_mode: string('half_pixel'),
  nearest_mode: string('round_prefer_floor'),
  cubic_coeff_a: float(-0.75),
  exclude_outside: int(0),
  extrapolation_value: float(0),
  antialias: int(0),
  axes: ints(),
  keep_aspect_ratio_policy: string('stretch'),
}
type Attrs = AttrValues<typeof attrs>
type Value = (i: number) => number[] | undefined

/** Every axis of a call. Scales and sizes name the axes in `axes`, or all; the others keep their size. */
function resized(shape: readonly number[], a: Attrs, value: Value): ResizedAxis[] {
  const rank = shape.length
  const axes = a.axes?.map((i) => axisOf(i, rank)) ?? shape.map((_, i) => i)
  const full = (list: readonly number[], otherwise: (axis: number) => number) =>
    shape.map((_, i) => (axes.includes(i) ? list[axes.indexOf(i)]! : otherwise(i)))
  const roi = value(1)?.length ? value(1)! : undefined
  const starts = full(roi?.slice(0, axes.length) ?? axes.map(() => 0), () => 0)
  const ends = full(roi?.slice(axes.length) ?? axes.map(() => 1), () => 1)
  const axis = (i: number, to: number, scale: number): ResizedAxis => ({ from: shape[i]!, to, scale, roi: [starts[i]!, ends[i]!] })
  const given = value(2)
  if (given?.length) {
    const scales = full(given, () => 1)
    return shape.map((d, i) => axis(i, Math.floor(Math.fround(Math.fround(scales[i]!) * d)), Math.fround(scales[i]!)))
  }
  const sizes = full(value(3)!, (i) => shape[i]!)
  const scales = sizes.map((s, i) => Math.fround(s / shape[i]!))
  if (a.keep_aspect_ratio_policy === 'stretch') return shape.map((_, i) => axis(i, sizes[i]!, scales[i]!))
  const of = axes.map((i) => scales[i]!)
  const common = a.keep_aspect_ratio_policy === 'not_larger' ? Math.min(...of) : Math.max(...of)
  return shape.map((d, i) => (axes.includes(i) ? axis(i, Math.round(Math.fround(common * d)), common) : axis(i, d, 1)))
}

const resampling = (a: Attrs): Resampling => ({
  mode: a.mode,
  coordinates: a.coordinate_transformation_mode,
  nearest: a.nearest_mode,
  cubic: a.cubic_coeff_a,
  excludeOutside: a.exclude_outside !== 0,
  antialias: a.antialias !== 0,
})

interface Matrix {
  readonly rows: number
  readonly columns: number
  readonly at: (row: number, column: number) => number
}

/** Above this many entries a matrix is cut into bands of `BAND` rows, which are nearly empty outside of a short range of columns. */
const DENSE = 2 ** 14
const BAND = 64

/** The product of a matrix with an axis of x that has as many entries as the matrix has columns. */
function alongAxis(x: Tensor, m: Matrix, axis: number): Tensor {
  if (m.rows * m.columns <= DENSE) return dense(x, m, axis)
  const parts: Tensor[] = []
  for (let top = 0; top < m.rows; top += BAND) {
    const rows = Math.min(BAND, m.rows - top)
    const used = (c: number) => Array.from({ length: rows }, (_, r) => m.at(top + r, c)).some((v) => v !== 0)
    let [lo, hi] = [0, m.columns]
    while (lo < hi - 1 && !used(lo)) lo++
    while (hi > lo + 1 && !used(hi - 1)) hi--
    parts.push(dense(x.slice([lo], [hi], [axis]), { rows, columns: hi - lo, at: (r, c) => m.at(top + r, lo + c) }, axis))
  }
  return concat(parts, axis)
}

function dense(x: Tensor, m: Matrix, axis: number): Tensor {
  const shape = x.shape.map((d, i) => (i === axis ? m.rows : d))
  const after = sizeOf(x.shape.slice(axis + 1))
  const table = (rows: number, columns: number, at: (r: number, c: number) => number) =>
    x.b.array(
      x.dtype,
      [rows, columns],
      Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns)),
    )
  if (after === 1) {
    const transposed = table(m.columns, m.rows, (r, c) => m.at(c, r))
    return x
      .reshape([x.size / m.columns, m.columns])
      .matmul(transposed)
      .reshape(shape)
  }
  const before = sizeOf(x.shape.slice(0, axis))
  const left = table(m.rows, m.columns, m.at).reshape([1, m.rows, m.columns])
  return left.matmul(x.reshape([before, m.columns, after])).reshape(shape)
}

/** How often each entry is repeated, where the map is a plain repetition. */
function repetition(axis: ResizedAxis, matrix: Float64Array): number | undefined {
  const n = axis.to / axis.from
  if (!Number.isInteger(n)) return undefined
  for (let i = 0; i < axis.to; i++) if (matrix[i * axis.from + Math.floor(i / n)] !== 1) return undefined
  return n
}

/** Left as it is: an axis of equal size and scale, or any of equal size under antialiasing; all of them where no size changes. */
const copied = (axis: ResizedAxis, all: readonly ResizedAxis[], how: Resampling): boolean =>
  (axis.from === axis.to && (axis.scale === 1 || how.antialias)) || all.every((o) => o.from === o.to)

/** The transposed map: of the gradient of every output to the input, axis by axis. */
function adjoint(dy: Tensor, axes: readonly ResizedAxis[], how: Resampling): Tensor {
  let d = dy
  for (let i = axes.length - 1; i >= 0; i--) {
    const axis = axes[i]!
    if (copied(axis, axes, how)) continue
    const { matrix } = resamplingMatrix(axis, how)
    const n = how.mode === 'nearest' ? repetition(axis, matrix) : undefined
    d =
      n === undefined
        ? alongAxis(d, { rows: axis.from, columns: axis.to, at: (r, c) => matrix[c * axis.from + r]! }, i)
        : d.reshape([...d.shape.slice(0, i), axis.from, n, ...d.shape.slice(i + 1)]).sum([i + 1])
  }
  return d
}

const scales = (...values: number[]) => ({ shape: [values.length], dtype: 'float32' as const, values })
const sizes = (...values: number[]) => ({ shape: [values.length], dtype: 'int64' as const, values })
const byScale = (a: Record<string, unknown>, shape: readonly number[], ...s: number[]): Example => ({
  x: [shape, null, scales(...s)],
  a,
})
const bySize = (a: Record<string, unknown>, shape: readonly number[], ...s: number[]): Example => ({
  x: [shape, null, null, sizes(...s)],
  a,
})

/**
 * Interpolation on a grid of another size. Each output is a fixed weighting of inputs, one axis at a time, so the gradient is the product with
 * the transposed matrices. Inputs x, roi, scales, sizes. Spec: onnx Resize-19.
 */
export const Resize = defineOp({
  type: 'Resize',
  since: 11,
  attrs,
  infer({ x: [x], a, opt, known, fail }) {
    axesIn(a.axes ?? [], x.shape.length, fail)
    const count = a.axes?.length ?? x.shape.length
    const scale = opt(2) && sizeOf(opt(2)!.shape) > 0 ? known(2, 'scales') : undefined
    const size = opt(3) && !scale ? known(3, 'sizes') : undefined
    if ((scale ?? size)?.length !== count)
      fail(`${(scale ?? size)?.length ?? 'neither scales nor'} ${scale ? 'scales' : 'sizes'} for ${count} axes`)
    const crop = a.coordinate_transformation_mode === 'tf_crop_and_resize'
    if (crop && opt(1)) known(1, 'the region')
    const value = (i: number) => [undefined, crop ? opt(1) && known(1, 'the region') : undefined, scale, size][i]
    return [{ dtype: x.dtype, shape: resized(x.shape, a, value).map((axis) => axis.to) }]
  },
  grad: ({ x, dy: [dy], a }) => [adjoint(dy, resized(x[0].shape, a, knownValues(x)), resampling(a))],
  expand({ b, x, a }) {
    const [data] = x
    const how = resampling(a)
    const axes = resized(data.shape, a, knownValues(x))
    let y = data
    let inside = b.scalar(1, data.dtype)
    axes.forEach((axis, i) => {
      if (copied(axis, axes, how)) return
      const { matrix, outside } = resamplingMatrix(axis, how)
      y = alongAxis(y, { rows: axis.to, columns: axis.from, at: (r, c) => matrix[r * axis.from + c]! }, i)
      const column = axes.map((_, k) => (k === i ? axis.to : 1))
      const mask = outside.map((o) => (o ? 0 : 1))
      if (outside.includes(true)) inside = inside.mul(b.array(data.dtype, column, mask))
    })
    return [a.extrapolation_value ? y.add(inside.rsub(1).mul(a.extrapolation_value)) : y]
  },
  simplify: ({ x: [x], y: [y] }) => (sameShape(x.shape, y!.shape) ? x : undefined),
  cost: ({ x: [x], y: [y], a }) => {
    const axes = y.shape.filter((d, i) => d !== x.shape[i]).length
    return sizeOf(y.shape) * (a.mode === 'nearest' ? 0 : a.mode === 'linear' ? 2 * 2 ** axes : 2 * 4 ** axes)
  },
  channels: ({ x: [x], y: [y] }) => tieAxes(x.shape.length, (i) => i < 2 && x.shape[i] === y.shape[i]),
  quant: { inputs: [0] },
  examples: [
    byScale({}, [2, 2, 3, 4], 1, 1, 2, 2),
    byScale({ nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' }, [2, 3, 3, 2], 1, 1, 2, 3),
    byScale({ nearest_mode: 'ceil', coordinate_transformation_mode: 'align_corners' }, [1, 2, 5, 4], 1, 1, 0.6, 1.5),
    byScale({ nearest_mode: 'round_prefer_ceil', coordinate_transformation_mode: 'half_pixel_symmetric' }, [1, 1, 6], 1, 1, 0.7),
    byScale({ coordinate_transformation_mode: 'pytorch_half_pixel', axes: [2] }, [1, 1, 7], 0.4),
    byScale({ mode: 'linear' }, [1, 2, 3, 4], 1, 1, 2, 2.5),
    byScale({ mode: 'linear' }, [2, 150], 1, 2),
    bySize({ mode: 'cubic' }, [140, 2], 130, 3),
    byScale({ mode: 'linear', coordinate_transformation_mode: 'align_corners' }, [1, 2, 3, 4], 1, 1, 2, 2),
    bySize({ mode: 'linear', coordinate_transformation_mode: 'pytorch_half_pixel' }, [1, 1, 4, 4], 1, 1, 3, 1),
    bySize({ mode: 'linear', axes: [3, 2], keep_aspect_ratio_policy: 'not_larger' }, [1, 1, 4, 4], 7, 6),
    bySize({ mode: 'linear' }, [1, 1, 2, 3, 2], 1, 1, 3, 4, 4),
    byScale({ mode: 'linear', coordinate_transformation_mode: 'half_pixel_symmetric' }, [4, 5], 0.6, 1.3),
    byScale({ mode: 'cubic' }, [1, 1, 4, 4], 1, 1, 2, 0.8),
    byScale({ mode: 'cubic', exclude_outside: 1, cubic_coeff_a: -0.5 }, [1, 1, 4, 4], 1, 1, 2, 2),
    byScale({ mode: 'cubic', coordinate_transformation_mode: 'align_corners' }, [4, 5], 2, 1.4),
    byScale({ mode: 'linear', antialias: 1 }, [1, 1, 6, 7], 1, 1, 0.5, 0.7),
    byScale({ mode: 'linear', antialias: 1, exclude_outside: 1 }, [1, 1, 6, 7], 1, 1, 0.5, 0.7),
    byScale({ mode: 'cubic', antialias: 1 }, [1, 1, 8, 7], 1, 1, 0.6, 0.5),
    {
      x: [[1, 1, 4, 4], scales(0, 0, 0.4, 0.6, 1, 1, 1.2, 1.1), null, sizes(1, 1, 3, 3)],
      a: { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 3 },
    },
  ],
})
