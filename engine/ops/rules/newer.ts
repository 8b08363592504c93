import { sameShape, showShape, sizeOf } from '../../ir/index.ts'
import { float, int, string } from '../attrs.ts'
import { defineOp } from '../rule.ts'
import type { Tensor } from '../tensor.ts'
import { axisIn, fault, tieAxes } from '../support/axes.ts'
import { unary } from '../support/elementwise.ts'

/** Operators of opsets above the one that the compiler works in. They are written in older ones at once, so that graphs stay of one opset. */

/** y = x sigmoid(alpha x), of opset 24. */
export const Swish = unary('Swish', {
  since: 1,
  attrs: { alpha: float(1) },
  flops: 8,
  grad({ x: [x], dy: [dy], a }) {
    const gate = x.mul(a.alpha).sigmoid()
    return dy.mul(gate.add(x.mul(a.alpha).mul(gate).mul(gate.rsub(1))))
  },
  simplify: ({ x: [x], a }) => x.mul(x.mul(a.alpha).sigmoid()),
  examples: [{ x: [[2, 3]] }, { x: [[4]], a: { alpha: 0.5 } }],
})

/** The scatter that writes an update [B, ..., S, ...] into a cache from each row's own place on. */
function writeCache(x: readonly (Tensor | undefined)[], a: { readonly axis: number; readonly mode: string }): Tensor {
  const [cache, update, starts] = x as [Tensor, Tensor, Tensor | undefined]
  const { b } = cache
  const axis = axisIn(a.axis, cache.rank, fault)
  const length = update.shape[axis]!
  const along = (size: number, at: number) => cache.shape.map((_, i) => (i === at ? size : 1))
  let index = b.array(
    'int64',
    along(length, axis),
    Array.from({ length }, (_, i) => i),
  )
  if (starts) index = index.add(starts.cast('int64').reshape(along(starts.size, 0)))
  if (a.mode === 'circular') index = index.emit('Mod', [b.scalar(cache.shape[axis]!, 'int64')])
  return cache.emit('ScatterElements', [index.expand(update.shape), update], { axis })
}

/** A cache [B, ..., L, ...] with an update written along an axis, from a place of each row on; of opset 24. */
export const TensorScatter = defineOp({
  type: 'TensorScatter',
  since: 1,
  attrs: { axis: int(-2), mode: string('linear') },
  infer({ x: [cache, update], a, fail }) {
    const axis = axisIn(a.axis, cache.shape.length, fail)
    const fits = (t: readonly number[]) => t.filter((_, i) => i !== axis)
    if (update.shape.length !== cache.shape.length || !sameShape(fits(update.shape), fits(cache.shape)))
      fail(`an update ${showShape(update.shape)} of a cache ${showShape(cache.shape)}`)
    return [{ dtype: cache.dtype, shape: cache.shape }]
  },
  grad: 'expand',
  expand: ({ x, a }) => [writeCache(x, a)],
  simplify: ({ x, a }) => writeCache(x, a),
  cost: ({ x: [, update] }) => sizeOf(update.shape),
  channels: ({ x: [x] }) => tieAxes(x.shape.length, () => true),
  examples: [
    { x: [[2, 4, 3], [2, 2, 3], { shape: [2], dtype: 'int64', values: [1, 2] }] },
    { x: [[2, 2, 4, 3], [2, 2, 2, 3], { shape: [2], dtype: 'int64', values: [3, 1] }], a: { mode: 'circular' } },
    {
      x: [
        [2, 4, 3],
        [2, 2, 3],
      ],
    },
  ],
})
