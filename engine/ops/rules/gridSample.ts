import { sizeOf } from '../../ir/index.ts'
import { int, string } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { axisTaps, sample, type Padding } from '../support/sampling.ts'
import { knownValues } from '../support/values.ts'

const MODES: Readonly<Record<string, 'nearest' | 'linear' | 'cubic'>> = {
  nearest: 'nearest',
  linear: 'linear',
  bilinear: 'linear',
  cubic: 'cubic',
  bicubic: 'cubic',
}

/**
 * Values of images at the points of a grid whose coordinates go from -1 to 1. Inputs x [N, C, H, W] or [N, C, D, H, W], grid [N, out..., 2 or 3]
 * with the innermost axis first. Spec: onnx GridSample-22; Jaderberg et al. 2015, section 3.3.
 */
export const GridSample = defineOp({
  type: 'GridSample',
  since: 16,
  attrs: { mode: string('linear'), padding_mode: string('zeros'), align_corners: int(0) },
  infer({ x: [x, grid], a, fail }) {
    const n = x.shape.length - 2
    if (n !== 2 && n !== 3) fail(`input of rank ${x.shape.length}, expected 4 or 5`)
    if (grid.shape.length !== n + 2 || grid.shape.at(-1) !== n || grid.shape[0] !== x.shape[0])
      fail(`grid of shape [${grid.shape.join()}], expected [${x.shape[0]}, ..., ${n}] of rank ${n + 2}`)
    const mode = MODES[a.mode]
    if (!mode) fail(`unknown mode '${a.mode}'`)
    if (mode === 'cubic' && n === 3) fail('cubic sampling of volumes is not defined')
    return [{ dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]!, ...grid.shape.slice(1, -1)] }]
  },
  grad: 'expand',
  expand({ x: [x, grid], a }) {
    const size = x.shape.slice(2)
    const n = size.length
    const out = grid.shape.slice(1, -1)
    const points = grid.like(x).reshape([x.shape[0]!, sizeOf(out), n])
    const taps = size.map((d, axis) => {
      const at = points.gather(x.b.scalar(n - 1 - axis, 'int64'), 2).add(1)
      const pixels = a.align_corners ? at.mul((d - 1) / 2) : at.mul(d / 2).sub(0.5)
      const mirror: [number, number] = a.align_corners ? [0, d - 1] : [-0.5, d - 0.5]
      return axisTaps(pixels, d, MODES[a.mode]!, a.padding_mode as Padding, mirror)
    })
    return [sample(x, taps).reshape([x.shape[0]!, x.shape[1]!, ...out])]
  },
  cost: ({ x: [x], y: [y], a }) => {
    const n = x.shape.length - 2
    return sizeOf(y.shape) * 2 * ({ nearest: 0, linear: 2 ** n, cubic: 4 ** n }[MODES[a.mode] ?? 'linear'] ?? 0)
  },
  channels: () => [{ a: ['x0', 1], b: ['y0', 1] }],
  examples: [
    { x: [[2, 3, 4, 5], { shape: [2, 3, 2, 2], range: [-0.7, 0.7] }] },
    { x: [[1, 2, 4, 5], { shape: [1, 3, 3, 2], range: [-1.5, 1.5] }] },
    { x: [[1, 2, 4, 4], { shape: [1, 3, 3, 2], range: [-1.5, 1.5] }], a: { padding_mode: 'border', align_corners: 1 } },
    { x: [[1, 2, 4, 4], { shape: [1, 3, 3, 2], range: [-2.2, 2.2] }], a: { padding_mode: 'reflection' } },
    { x: [[1, 2, 4, 4], { shape: [1, 3, 3, 2], range: [-1.5, 1.5] }], a: { padding_mode: 'reflection', align_corners: 1 } },
    { x: [[1, 2, 5, 4], { shape: [1, 2, 3, 2], range: [-1.2, 1.2] }], a: { mode: 'cubic' } },
    { x: [[1, 2, 5, 4], { shape: [1, 2, 3, 2], range: [-1.2, 1.2] }], a: { mode: 'cubic', padding_mode: 'border' } },
    { x: [[1, 2, 4, 5], { shape: [1, 3, 2, 2], range: [-1.2, 1.2] }], a: { mode: 'nearest' } },
    { x: [[1, 2, 3, 4, 3], { shape: [1, 2, 2, 2, 3], range: [-1.2, 1.2] }] },
    { x: [[1, 1, 3, 4, 3], { shape: [1, 2, 2, 2, 3], range: [-1.2, 1.2] }], a: { mode: 'nearest', padding_mode: 'border' } },
  ],
})

/** Points of one axis from -1 to 1, at pixel centres, or from the first to the last pixel. */
const span = (n: number, corners: boolean): number[] =>
  Array.from({ length: n }, (_, i) => {
    if (n === 1) return corners ? 1 : 0
    const at = (2 * i) / (n - 1) - 1
    return corners ? at : (at * (n - 1)) / n
  })

/** Sampling grid of an affine map: theta times each point of the regular grid. Inputs theta [N, 2, 3] or [N, 3, 4], size. Spec: onnx AffineGrid-20. */
export const AffineGrid = defineOp({
  type: 'AffineGrid',
  since: 20,
  attrs: { align_corners: int(0) },
  infer({ x: [theta], known, fail }) {
    const size = known(1, 'size')
    const n = size.length - 2
    if (n !== 2 && n !== 3) fail(`size of ${size.length} entries, expected 4 or 5`)
    if (theta.shape.join() !== [size[0], n, n + 1].join())
      fail(`theta of shape [${theta.shape.join()}], expected [${size[0]}, ${n}, ${n + 1}]`)
    return [{ dtype: theta.dtype, shape: [size[0]!, ...size.slice(2), n] }]
  },
  grad: 'expand',
  expand({ b, x, a }) {
    const [theta] = x
    const size = knownValues(x)(1)!.slice(2)
    const along = size.map((d) => span(d, a.align_corners !== 0))
    // Points in row-major order, each as (innermost, ..., outermost, 1).
    const points = along.reduce<number[][]>((list, values) => list.flatMap((p) => values.map((v) => [v, ...p])), [[1]])
    const base = b.array(theta.dtype, [1, points.length, size.length + 1], points.flat())
    return [base.matmul(theta.T).reshape([theta.shape[0]!, ...size, size.length])]
  },
  cost: ({ y: [y] }) => 2 * (y.shape.at(-1)! + 1) * sizeOf(y.shape),
  channels: () => [{ a: ['x0', 0], b: ['y0', 0] }],
  examples: [
    { x: [[2, 2, 3], { shape: [4], dtype: 'int64', values: [2, 3, 4, 5] }] },
    { x: [[1, 2, 3], { shape: [4], dtype: 'int64', values: [1, 1, 3, 2] }], a: { align_corners: 1 } },
    { x: [[1, 3, 4], { shape: [5], dtype: 'int64', values: [1, 1, 2, 3, 4] }] },
  ],
})
