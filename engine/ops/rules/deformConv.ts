import { sizeOf } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp, type TensorType } from '../rule.ts'
import { axisTaps, sample } from '../support/sampling.ts'
import { convAttrs, geometry, taps, type Geometry } from '../support/spatial.ts'
import type { Tensor } from '../tensor.ts'

const window = (x: TensorType, w: TensorType, a: Parameters<typeof geometry>[2]): Geometry =>
  geometry(x.shape.slice(2), w.shape.slice(2), a)

/**
 * Convolution whose taps are moved by learned offsets and weighted by a mask. Inputs x [N, C, H, W], w [O, C/group, h, w],
 * offset [N, groups * h * w * 2, out...] (down, right), bias, mask [N, groups * h * w, out...]. Spec: onnx DeformConv-22; Dai et al. 2017; Zhu et al. 2019.
 */
export const DeformConv = defineOp({
  type: 'DeformConv',
  since: 19,
  attrs: { ...convAttrs, offset_group: int(1) },
  infer({ x: [x, w, offset], a, opt, fail }) {
    if (x.shape.length !== 4 || w.shape.length !== 4)
      fail(`input and weight of rank ${x.shape.length} and ${w.shape.length}, expected 4`)
    if (x.shape[1] !== w.shape[1]! * a.group) fail(`input has ${x.shape[1]} channels, the weight expects ${w.shape[1]! * a.group}`)
    const g = window(x, w, a)
    const fits = (t: TensorType, each: number, what: string) => {
      const expected = [x.shape[0]!, a.offset_group * sizeOf(g.kernel) * each, ...g.out]
      if (t.shape.join() !== expected.join()) fail(`${what} of shape [${t.shape.join()}], expected [${expected.join()}]`)
    }
    fits(offset, 2, 'offset')
    if (opt(4)) fits(opt(4)!, 1, 'mask')
    return [{ dtype: x.dtype, shape: [x.shape[0]!, w.shape[0]!, ...g.out] }]
  },
  grad: 'expand',
  expand({ b, x: [x, w, offset], a, opt }) {
    const g = window(x, w, a)
    const [n, c, k, p] = [x.shape[0]!, x.shape[1]!, sizeOf(g.kernel), sizeOf(g.out)]
    const groups = a.offset_group
    // Where each tap of each output would be without offsets: [axis, 1, taps, out].
    const regular = [0, 1].map((axis) =>
      taps(g.kernel).flatMap((t) =>
        taps(g.out).map((o) => o[axis]! * g.strides[axis]! - g.begin[axis]! + t[axis]! * g.dilations[axis]!),
      ),
    )
    const moved = offset.reshape([n * groups, k, 2, p])
    const axes = regular.map((at, axis) => {
      const position = moved.gather(b.scalar(axis, 'int64'), 2).add(b.array(x.dtype, [1, k, p], at))
      return axisTaps(position.reshape([n * groups, k * p]), x.shape[axis + 2]!, 'linear', 'zeros')
    })
    const seen = sample(x.reshape([n * groups, c / groups, ...x.shape.slice(2)]), axes)
    const mask = opt(4)
    const columns: Tensor = mask ? seen.reshape([n * groups, c / groups, k, p]).mul(mask.reshape([n * groups, 1, k, p])) : seen
    const [o, each] = [w.shape[0]!, w.shape[1]!]
    const y = w
      .reshape([1, a.group, o / a.group, each * k])
      .matmul(columns.reshape([n, a.group, each * k, p]))
      .reshape([n, o, ...g.out])
    const bias = opt(3)
    return [bias ? y.add(bias.reshape([1, o, 1, 1])) : y]
  },
  cost: ({ x: [, w], y: [y] }) => 2 * sizeOf(y.shape) * sizeOf(w.shape.slice(1)),
  channels: ({ x, a }) => [
    ...(a.group === 1 && a.offset_group === 1 ? [{ a: ['x0', 1], b: ['x1', 1] } as const] : []),
    { a: ['x1', 0], b: ['y0', 1] },
    ...((x[3] as TensorType | undefined) ? [{ a: ['x1', 0], b: ['x3', 0] } as const] : []),
  ],
  examples: [
    {
      x: [
        [1, 2, 4, 4],
        [3, 2, 2, 2],
        [1, 8, 3, 3],
      ],
    },
    {
      x: [[2, 4, 5, 4], [4, 2, 3, 2], [2, 24, 3, 3], [4], { shape: [2, 12, 3, 3], range: [0.2, 1] }],
      a: { group: 2, offset_group: 2, strides: [2, 1], pads: [1, 0, 1, 0] },
    },
    {
      x: [
        [1, 1, 5, 5],
        [1, 1, 2, 2],
        [1, 8, 3, 3],
      ],
      a: { dilations: [2, 2] },
    },
  ],
})
