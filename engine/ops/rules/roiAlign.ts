import { UnsupportedError } from '../../errors.ts'
import { sizeOf } from '../../ir/index.ts'
import { float, int, ints, string, type AttrValues } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { axisTaps, neighbours, type Tap } from '../support/sampling.ts'
import type { Tensor } from '../tensor.ts'

const attrs = {
  mode: string('avg'),
  output_height: int(1),
  output_width: int(1),
  sampling_ratio: int(0),
  spatial_scale: float(1),
  coordinate_transformation_mode: string('half_pixel'),
}
type Attrs = AttrValues<typeof attrs>

/** Positions [R, bins * samples] of the samples along one axis of every region, and 1 where they are near the image, else 0. */
function positions(rois: Tensor, axis: 0 | 1, bins: number, size: number, a: Attrs): { at: Tensor; near: Tensor } {
  const { b } = rois
  const half = a.coordinate_transformation_mode === 'half_pixel'
  const edge = (i: number) =>
    rois
      .gather(b.ints([i]), 1)
      .mul(a.spatial_scale)
      .sub(half ? 0.5 : 0)
  // Regions are (left, top, right, bottom).
  const start = edge(1 - axis)
  const length = edge(3 - axis).sub(start)
  const bin = (half ? length : length.maximum(1)).div(bins)
  const steps = Array.from({ length: bins * a.sampling_ratio }, (_, i) => (i + 0.5) / a.sampling_ratio)
  const at = start.add(bin.mul(b.array(rois.dtype, [1, steps.length], steps)))
  const near = at
    .greaterOrEqual(-1)
    .emit('And', [at.lessOrEqual(size)])
    .like(at)
  return { at: at.clip(0, size - 1), near }
}

function aligned(x: Tensor, rois: Tensor, images: Tensor, a: Attrs): Tensor {
  const [h, w] = x.shape.slice(2) as [number, number]
  const [r, s] = [rois.shape[0]!, a.sampling_ratio]
  const [bh, bw] = [a.output_height, a.output_width]
  const down = positions(rois.like(x), 0, bh, h, a)
  const right = positions(rois.like(x), 1, bw, w, a)
  // Every pair of a row and a column: [R, rows, columns] flattened.
  const [rows, columns] = [bh * s, bw * s]
  const pair = (t: Tensor, axis: 1 | 2) =>
    t
      .unsqueeze([axis])
      .expand([r, rows, columns])
      .reshape([r, rows * columns])
  const taps = (at: Tensor, near: Tensor, size: number, axis: 1 | 2): Tap[] =>
    axisTaps(at, size, 'linear', 'border').map((t) => ({ at: pair(t.at, axis), weight: pair(t.weight!.mul(near), axis) }))
  const parts = neighbours(x, [taps(down.at, down.near, h, 2), taps(right.at, right.near, w, 1)], images)
  const split = parts.reshape([parts.shape[0]!, r, bh, s, bw, s, x.shape[1]!])
  // The maximum is over weighted neighbours, not over interpolated values: so ONNX Runtime computes it.
  const pooled = a.mode === 'max' ? split.max([0, 3, 5]) : split.sum([0]).mean([2, 4])
  return pooled.transpose([0, 3, 1, 2])
}

/**
 * Values of regions of feature maps on a grid of bins, each the mean or maximum of interpolated samples. Inputs x [N, C, H, W], regions [R, 4]
 * (left, top, right, bottom), image of each [R]. Written in other operators, since ONNX Runtime has no kernel at this opset.
 * Spec: onnx RoiAlign-16; He et al. 2017, section 3.
 */
export const RoiAlign = defineOp({
  type: 'RoiAlign',
  since: 16,
  attrs,
  infer({ x: [x, rois, images], a, fail }) {
    if (x.shape.length !== 4) fail(`input of rank ${x.shape.length}, expected 4`)
    if (rois.shape.length !== 2 || rois.shape[1] !== 4) fail(`regions of shape [${rois.shape.join()}], expected [R, 4]`)
    if (images.shape[0] !== rois.shape[0]) fail(`${images.shape[0]} image indices for ${rois.shape[0]} regions`)
    return [{ dtype: x.dtype, shape: [rois.shape[0]!, x.shape[1]!, a.output_height, a.output_width] }]
  },
  grad: 'expand',
  expand({ x: [x, rois, images], a }) {
    if (a.sampling_ratio <= 0)
      throw new UnsupportedError(
        'RoiAlign with sampling_ratio 0 takes as many samples as its regions are large, known at run time only',
        {
          hint: 'set sampling_ratio (2 is usual) to train through it',
        },
      )
    return [aligned(x, rois, images, a)]
  },
  simplify: ({ x: [x, rois, images], a }) => (a.sampling_ratio > 0 ? aligned(x, rois, images, a) : undefined),
  cost: ({ y: [y], a }) => 8 * sizeOf(y.shape) * Math.max(1, a.sampling_ratio) ** 2,
  channels: () => [{ a: ['x0', 1], b: ['y0', 1] }],
  examples: [
    {
      x: [[1, 2, 6, 6], { shape: [2, 4], range: [0.5, 4.5] }, { shape: [2], dtype: 'int64', values: [0, 0] }],
      a: { output_width: 2, sampling_ratio: 2 },
    },
    { x: [[2, 3, 6, 7], regions(), images()], a: { output_height: 2, output_width: 3, sampling_ratio: 2 } },
    {
      x: [[2, 2, 6, 7], regions(), images()],
      a: {
        output_height: 2,
        output_width: 2,
        sampling_ratio: 1,
        spatial_scale: 0.5,
        coordinate_transformation_mode: 'output_half_pixel',
      },
    },
    {
      x: [{ shape: [2, 2, 6, 7], distinct: true, range: [0.1, 2] }, regions(), images()],
      a: { mode: 'max', output_height: 2, output_width: 1, sampling_ratio: 2 },
    },
  ],
})

function regions() {
  return { shape: [3, 4], values: [0.3, 0.7, 4.1, 5.2, 1.2, 0.4, 6.3, 3.1, 2.2, 2.6, 9.4, 8.3] }
}
function images() {
  return { shape: [3], dtype: 'int64' as const, values: [1, 0, 1] }
}

/** Largest value of each bin of regions (image, left, top, right, bottom), cut at whole pixels. Spec: onnx MaxRoiPool-1; Girshick 2015. */
export const MaxRoiPool = defineOp({
  type: 'MaxRoiPool',
  since: 1,
  attrs: { pooled_shape: ints(), spatial_scale: float(1) },
  infer({ x: [x, rois], a, fail }) {
    if (x.shape.length !== 4) fail(`input of rank ${x.shape.length}, expected 4`)
    if (rois.shape.length !== 2 || rois.shape[1] !== 5) fail(`regions of shape [${rois.shape.join()}], expected [R, 5]`)
    if (a.pooled_shape?.length !== 2) fail(`pooled_shape has ${a.pooled_shape?.length ?? 0} entries, expected 2`)
    return [{ dtype: x.dtype, shape: [rois.shape[0]!, x.shape[1]!, ...a.pooled_shape!] }]
  },
  grad: { none: 'the pixels of each bin depend on the regions, which are known at run time only; RoiAlign can be trained through' },
  cost: ({ x: [x, rois] }) => rois.shape[0]! * sizeOf(x.shape.slice(1)),
  channels: () => [{ a: ['x0', 1], b: ['y0', 1] }],
  examples: [
    {
      x: [[2, 3, 6, 7], { shape: [2, 5], values: [0, 1, 1, 4, 5, 1, 0, 2, 6, 3] }],
      a: { pooled_shape: [2, 3] },
    },
  ],
})
