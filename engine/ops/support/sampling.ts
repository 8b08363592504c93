import { strides } from '../../ir/index.ts'
import { concat, type Tensor } from '../tensor.ts'

/** One neighbour along an axis: its position (int64, inside of the axis) and its weight. Both [M, P]. */
export interface Tap {
  readonly at: Tensor
  readonly weight: Tensor | undefined
}

export type Padding = 'zeros' | 'border' | 'reflection'

/** Weights of the four neighbours at distance 1 + t, t, 1 - t, 2 - t. Keys 1981, with the parameter that ONNX fixes. */
function cubicWeights(t: Tensor): Tensor[] {
  const a = -0.75
  const near = (s: Tensor) => s.mul(s.mul(s.mul(a + 2).sub(a + 3))).add(1)
  const far = (s: Tensor) =>
    s
      .mul(s.mul(s.sub(5)).add(8))
      .sub(4)
      .mul(a)
  return [far(t.add(1)), near(t), near(t.rsub(1)), far(t.rsub(2))]
}

/** Integral positions mirrored at both borders until they are between them. */
function mirrored(f: Tensor, lo: number, hi: number): Tensor {
  if (hi === lo) return f.mul(0).add(lo)
  const period = 2 * (hi - lo)
  const g = f.sub(lo)
  const u = g.sub(g.div(period).floor().mul(period))
  return u.minimum(u.rsub(period)).add(lo).round()
}

/**
 * Neighbours of positions along an axis of `size` entries. Weights are differentiable in the positions, the choice of neighbours is not.
 * @param x float positions [M, P] in pixels. @param mirror borders of the reflection.
 */
export function axisTaps(
  x: Tensor,
  size: number,
  mode: 'nearest' | 'linear' | 'cubic',
  padding: Padding,
  mirror: readonly [lo: number, hi: number] = [0, size - 1],
): Tap[] {
  const tap = (f: Tensor, weight: Tensor | undefined): Tap => {
    const inner = padding === 'reflection' ? mirrored(f, ...mirror) : f
    const at = inner.clip(0, size - 1).cast('int64')
    if (padding !== 'zeros') return { at, weight }
    const inside = f
      .greaterOrEqual(0)
      .emit('And', [f.lessOrEqual(size - 1)])
      .like(x)
    return { at, weight: weight ? weight.mul(inside) : inside }
  }
  if (mode === 'nearest') return [tap(x.round(), undefined)]
  const f = x.floor()
  const t = x.sub(f)
  if (mode === 'linear') return [tap(f, t.rsub(1)), tap(f.add(1), t)]
  return cubicWeights(t).map((w, i) => tap(f.add(i - 1), w))
}

/**
 * Neighbours of points, weighted: their sum over the first axis is the interpolated value. Pixels are gathered as rows of all channels and at
 * once, so that the gradient adds whole rows in one pass.
 * @param x [N, C, size...]. @param taps for each spatial axis, tensors [M, P]; every combination of them is one neighbour. @param images which
 * of the N each row of points reads, int64 [M]; all in order where left out. Returns [neighbours, M, P, C].
 */
export function neighbours(x: Tensor, taps: readonly (readonly Tap[])[], images?: Tensor): Tensor {
  const [n, c, ...size] = x.shape as [number, number, ...number[]]
  const area = size.reduce((p, d) => p * d, 1)
  const step = strides(size)
  const rows = x
    .reshape([n, c, area])
    .transpose([0, 2, 1])
    .reshape([n * area, c])
  const starts = (images ?? x.b.ints(Array.from({ length: n }, (_, i) => i))).mul(area).unsqueeze([1])
  let combined: { at: Tensor; weight: Tensor | undefined }[] = [{ at: starts, weight: undefined }]
  taps.forEach((list, axis) => {
    combined = combined.flatMap(({ at, weight }) =>
      list.map((tap) => ({
        at: at.add(tap.at.mul(step[axis]!)),
        weight: weight && tap.weight ? weight.mul(tap.weight) : (weight ?? tap.weight),
      })),
    )
  })
  const stack = (list: readonly Tensor[]) =>
    concat(
      list.map((t) => t.unsqueeze([0])),
      0,
    )
  const picked = rows.gather(stack(combined.map(({ at }) => at)))
  const weights = combined.flatMap(({ weight }) => (weight ? [weight] : []))
  return weights.length ? picked.mul(stack(weights).unsqueeze([3])) : picked
}

/** Interpolated values of x at points, [M, C, P]; parameters as `neighbours`. */
export const sample = (x: Tensor, taps: readonly (readonly Tap[])[]): Tensor => neighbours(x, taps).sum([0]).transpose([0, 2, 1])
