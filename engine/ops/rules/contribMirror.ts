import { int, string } from '../attrs.ts'
import { defineOp, type Example, type OpRule } from '../rule.ts'
import type { Builder } from '../builder.ts'
import type { Tensor } from '../tensor.ts'
import { MICROSOFT } from '../support/contrib.ts'
import { GatherND, Trilu } from './indexing.ts'
import { Pad } from './pad.ts'

const whole = (shape: readonly number[], values: readonly number[]) => ({ shape, dtype: 'int64' as const, values })

/** An operator that ONNX Runtime had before the standard: it is written as the standard's at once. */
const mirror = (
  rule: OpRule,
  write: (b: Builder, x: readonly (Tensor | undefined)[], a: Record<string, unknown>) => Tensor,
  examples: readonly Example[],
): OpRule => ({
  type: rule.type,
  domain: MICROSOFT,
  since: 1,
  attrs: rule.attrs,
  infer: (ctx) => rule.infer(ctx),
  grad: 'expand',
  expand: ({ b, x, a }) => [write(b, x, a)],
  simplify: ({ b, x, a }) => write(b, x, a),
  cost: (ctx) => rule.cost?.(ctx) ?? 0,
  channels: (ctx) => rule.channels?.(ctx) ?? [],
  examples,
})

const plain = (type: string) => (b: Builder, x: readonly (Tensor | undefined)[], a: Record<string, unknown>) =>
  b.emit(type, x, a as never)[0]!

export const TriluMicrosoft = mirror(Trilu, plain('Trilu'), [{ x: [[3, 4]] }, { x: [[3, 3], whole([], [-1])], a: { upper: 0 } }])
export const PadMicrosoft = mirror({ ...Pad, attrs: { mode: string('constant') } }, plain('Pad'), [
  { x: [[2, 3], whole([4], [1, 0, 0, 2])] },
  { x: [[2, 4], whole([4], [0, 1, 0, 2])], a: { mode: 'reflect' } },
])
export const GatherNDMicrosoft = mirror({ ...GatherND, attrs: { batch_dims: int(0) } }, (b, x) => b.emit('GatherND', x)[0]!, [
  { x: [[3, 4], whole([3, 2], [0, 1, 2, 3, 1, 1])] },
])

/** A new axis of size 1 at a constant place. */
export const ExpandDims = defineOp({
  type: 'ExpandDims',
  domain: MICROSOFT,
  since: 1,
  attrs: {},
  infer({ x: [x], known }) {
    const axis = known(1, 'axis')[0]!
    const at = axis < 0 ? axis + x.shape.length + 1 : axis
    return [{ dtype: x.dtype, shape: [...x.shape.slice(0, at), 1, ...x.shape.slice(at)] }]
  },
  grad: 'expand',
  expand: ({ x: [x, axis] }) => [x.unsqueeze([axis.value!.numbers()[0]!])],
  simplify: ({ x: [x, axis] }) => x.unsqueeze([axis.value!.numbers()[0]!]),
  cost: () => 0,
  channels: () => [],
  examples: [
    { x: [[2, 3], { shape: [], dtype: 'int32', values: [1] }] },
    { x: [[2, 3], { shape: [], dtype: 'int32', values: [-1] }] },
  ],
})
