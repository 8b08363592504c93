import { UnsupportedError } from '../../errors.ts'
import { sameShape, showShape, sizeOf } from '../../ir/index.ts'
import { int, string } from '../attrs.ts'
import { defineOp, type Example, type GradContext, type GradResult, type OpRule, type TensorType } from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import { axisIn, tieAxes } from '../support/axes.ts'

const indices = (shape: readonly number[], values: readonly number[]) => ({ shape, dtype: 'int64' as const, values })

/** How one operator writes updates into data, and reads data at the places that it writes to. */
interface Places {
  put(data: Tensor, updates: Tensor, reduction: string): Tensor
  take(data: Tensor): Tensor
}

/**
 * Gradients of data and updates. `none`: what was overwritten gets nothing. `add`: both get dy. `mul`: dy times the other factors, so an update
 * of 0 has no gradient here. `max`, `min`: those that tie for the result share its gradient evenly.
 */
function scatterGrad({ x: [x, , u], y: [y], dy: [dy], need }: GradContext<unknown>, reduction: string, at: Places): GradResult {
  if (reduction === 'add') return [dy, null, need[2] ? at.take(dy) : null]
  if (reduction === 'none') {
    const zeros = dy.b.zeros(u.shape, dy.dtype)
    return [need[0] ? at.put(dy, zeros, 'none') : null, null, need[2] ? at.take(dy) : null]
  }
  if (reduction === 'mul') {
    const factors = dy.b.full(x.shape, 1, x.dtype)
    return [need[0] ? dy.mul(at.put(factors, u, 'mul')) : null, null, need[2] ? at.take(dy.mul(y)).div(u) : null]
  }
  if (reduction !== 'max' && reduction !== 'min')
    throw new UnsupportedError(`no gradient for a scatter with reduction '${reduction}'`, {
      hint: "'none', 'add', 'mul', 'max' and 'min' have one",
    })
  const [kept, written] = [x.equal(y).like(dy), u.equal(at.take(y)).like(dy)]
  const share = dy.div(at.put(kept, written, 'add'))
  return [share.mul(kept), null, at.take(share).mul(written)]
}

interface Scatter {
  type: string
  since: number
  check: (x: TensorType, index: TensorType, updates: TensorType, axis: number, fail: (message: string) => never) => void
  places: (index: Tensor, axis: number) => Places
  examples: readonly Example[]
}

const scatter = ({ type, since, check, places, examples }: Scatter): OpRule =>
  defineOp({
    type,
    since,
    attrs: { axis: int(0), reduction: string('none') },
    infer({ x: [x, index, updates], a, fail }) {
      check(x, index, updates, a.axis, fail)
      if (x.dtype !== updates.dtype) fail(`updates of ${updates.dtype} for data of ${x.dtype}`)
      return [{ dtype: x.dtype, shape: x.shape }]
    },
    grad: (ctx) => scatterGrad(ctx, ctx.a.reduction, places(ctx.x[1], ctx.a.axis)),
    cost: ({ x: [, , updates] }) => sizeOf(updates.shape),
    channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
    examples,
  })

const elements = (type: string, since: number, examples: readonly Example[]): OpRule =>
  scatter({
    type,
    since,
    check(x, index, updates, axis, fail) {
      axisIn(axis, x.shape.length, fail)
      if (!sameShape(index.shape, updates.shape))
        fail(`indices ${showShape(index.shape)} and updates ${showShape(updates.shape)} differ in shape`)
    },
    places: (index, axis) => ({
      put: (data, updates, reduction) =>
        data.emit('ScatterElements', [index, updates], { axis, ...(reduction === 'none' ? {} : { reduction }) }),
      take: (data) => data.gatherElements(index, axis),
    }),
    examples,
  })

const reduced = (reduction: string): Example => ({
  x: [
    { shape: [2, 4], distinct: true },
    indices([2, 3], [1, 1, 0, -1, 0, 0]),
    { shape: [2, 3], distinct: true, range: reduction === 'mul' ? [0.5, 2] : [-1.9, 2.1] },
  ],
  a: { axis: 1, reduction },
})

/** Elements of `updates` written to, or combined with, data at the indices along an axis. */
export const ScatterElements = elements('ScatterElements', 16, [
  { x: [[3, 3], indices([2, 3], [0, 2, 1, 2, 0, -3]), [2, 3]] },
  { x: [[2, 4], indices([2, 3], [1, 1, 0, -1, 0, 0]), [2, 3]], a: { axis: 1, reduction: 'add' } },
  ...['mul', 'max', 'min'].map(reduced),
])

/** Slices of `updates` written to, or combined with, data at index tuples. */
export const ScatterND = scatter({
  type: 'ScatterND',
  since: 16,
  check(x, index, updates, _, fail) {
    const depth = index.shape.at(-1) ?? fail('indices are a scalar, expected at least one axis')
    const wanted = [...index.shape.slice(0, -1), ...x.shape.slice(depth)]
    if (!sameShape(updates.shape, wanted)) fail(`updates are ${showShape(updates.shape)}, expected ${showShape(wanted)}`)
  },
  places: (index) => ({
    put: (data, updates, reduction) => data.emit('ScatterND', [index, updates], reduction === 'none' ? {} : { reduction }),
    take: (data) => data.emit('GatherND', [index]),
  }),
  examples: [
    { x: [[4, 3], indices([2, 1], [2, 0]), [2, 3]] },
    { x: [[4, 3], indices([3, 2], [1, 2, 1, 2, 3, 0]), [3]], a: { reduction: 'add' } },
    ...['mul', 'max', 'min'].map((reduction): Example => ({
      x: [
        { shape: [4, 2], distinct: true },
        indices([3, 1], [1, 3, 1]),
        { shape: [3, 2], distinct: true, range: reduction === 'mul' ? [0.5, 2] : [-1.9, 2.1] },
      ],
      a: { reduction },
    })),
  ],
})
