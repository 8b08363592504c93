import { int, ints, string } from '../attrs.ts'
import { defineOp, type Example, type OpRule } from '../rule.ts'
import type { Builder } from '../builder.ts'
import type { Tensor } from '../tensor.ts'
import { axisIn } from '../support/axes.ts'
import { MICROSOFT } from '../support/contrib.ts'
import { convAttrs } from '../support/spatial.ts'
import { Range } from './constants.ts'
import { ConvTranspose } from './conv.ts'
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

const scalar = (value: number) => ({ shape: [], dtype: 'float32' as const, values: [value] })

export const RangeMicrosoft = mirror(
  Range,
  (b, [from, to, by]) => b.emit('Range', [from, to, by ?? b.scalar(1, from!.dtype)])[0]!,
  [{ x: [scalar(1), scalar(7), scalar(2)] }],
)

const padsOf = ({ value }: Pick<Tensor, 'value'>) => ({ pads: Array.from(value!.numbers()) })

/** The pads are a constant input instead of an attribute. */
export const ConvTransposeWithDynamicPads = defineOp({
  type: 'ConvTransposeWithDynamicPads',
  domain: MICROSOFT,
  since: 1,
  attrs: { ...convAttrs, output_padding: ints() },
  infer(ctx) {
    const { x, a, opt, known } = ctx
    const given = opt(2) ? { pads: known(2, 'pads') } : {}
    return ConvTranspose.infer({ ...ctx, x, a: { ...a, output_shape: undefined, ...given } })
  },
  grad: 'expand',
  expand: ({ x: [x, w], a, opt }) => [x.emit('ConvTranspose', [w, opt(3)], { ...a, ...(opt(2) && padsOf(opt(2)!)) })],
  cost: ({ x, y, a }) => ConvTranspose.cost!({ x, y, a: { ...a, output_shape: undefined } }),
  channels: ({ a }) => [{ a: ['x0', 1], b: ['x1', 0] }, ...(a.group === 1 ? [{ a: ['x1', 1], b: ['y0', 1] } as const] : [])],
  examples: [
    { x: [[2, 3, 4, 3], [3, 2, 3, 3], whole([4], [1, 1, 0, 1]), [2]], a: { strides: [2, 2] } },
    { x: [[1, 2, 5], [2, 1, 3], whole([2], [1, 0])] },
  ],
})

/** Sliding windows of one axis, every `step` places, as a new last axis. */
export const UnfoldTensor = defineOp({
  type: 'UnfoldTensor',
  domain: MICROSOFT,
  since: 1,
  attrs: { dim: int(-1), size: int(1), step: int(1) },
  infer({ x: [x], a, fail }) {
    const axis = axisIn(a.dim, x.shape.length, fail)
    const room = x.shape[axis]! - a.size
    if (room < 0 || a.size < 1 || a.step < 1) fail(`${x.shape[axis]} places have no window of ${a.size}, every ${a.step}`)
    const shape = x.shape.map((d, i) => (i === axis ? Math.floor(room / a.step) + 1 : d))
    return [{ dtype: x.dtype, shape: [...shape, a.size] }]
  },
  grad: 'expand',
  expand({ b, x: [x], a }) {
    const axis = (a.dim + x.rank) % x.rank
    const count = Math.floor((x.shape[axis]! - a.size) / a.step) + 1
    const places = Array.from({ length: count * a.size }, (_, i) => Math.floor(i / a.size) * a.step + (i % a.size))
    const windows = x.gather(b.array('int64', [count, a.size], places), axis)
    const rest = windows.shape.map((_, i) => i).filter((i) => i !== axis + 1)
    return [windows.transpose([...rest, axis + 1])]
  },
  cost: () => 0,
  channels: ({ x: [x], y: [y] }) => x.shape.flatMap((d, i) => (d === y.shape[i] ? [{ a: ['x0', i], b: ['y0', i] } as const] : [])),
  examples: [
    { x: [[2, 3, 7]], a: { size: 3 } },
    { x: [[2, 8, 3]], a: { dim: 1, size: 4, step: 2 } },
  ],
})

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
