import { axisOf } from '../../ir/index.ts'
import { ints } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import { axesIn, tieAxes } from '../support/axes.ts'
import { knownValues } from '../support/values.ts'

const ints64 = (...values: number[]) => ({ shape: [values.length], dtype: 'int64' as const, values })

function wanted(shape: readonly number[], axes: readonly number[] | undefined, sizes: readonly number[]): number[] {
  const list = axes?.map((i) => axisOf(i, shape.length)) ?? shape.map((_, i) => i)
  return shape.map((d, i) => (list.includes(i) ? sizes[list.indexOf(i)]! : d))
}

/** The middle of each axis where it is longer than wanted, zeros on both sides where it is shorter. Spec: onnx CenterCropPad-18. */
export const CenterCropPad = defineOp({
  type: 'CenterCropPad',
  since: 18,
  attrs: { axes: ints() },
  infer({ x: [x], a, known, fail }) {
    const sizes = known(1, 'shape')
    axesIn(a.axes ?? [], x.shape.length, fail)
    if (sizes.length !== (a.axes?.length ?? x.shape.length))
      fail(`${sizes.length} sizes for ${a.axes?.length ?? x.shape.length} axes`)
    return [{ dtype: x.dtype, shape: wanted(x.shape, a.axes, sizes) }]
  },
  grad: 'expand',
  expand({ x, a }) {
    const [data] = x
    const to = wanted(data.shape, a.axes, knownValues(x)(1)!)
    // Half of an odd rest goes to the end, of what is cut as of what is added.
    const begin = data.shape.map((d, i) => (to[i]! >= d ? Math.floor((to[i]! - d) / 2) : -Math.floor((d - to[i]!) / 2)))
    return [data.pad([...begin, ...data.shape.map((d, i) => to[i]! - d - begin[i]!)])]
  },
  cost: () => 0,
  channels: ({ x: [x], y: [y] }) => tieAxes(x.shape.length, (i) => x.shape[i] === y.shape[i]),
  examples: [{ x: [[5, 4], ints64(2, 7)] }, { x: [[4, 5, 3], ints64(5, 2)], a: { axes: [0, -2] } }],
})
