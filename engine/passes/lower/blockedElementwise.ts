import { sameShape } from '../../ir/index.ts'
import type { Tensor } from '../../ops/index.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { blocked, canBlock, perChannel, plain, source } from '../support/nchwc.ts'

/** Operators that treat every element alike, and so do not see how a value is laid out; zeros give finite values. */
const ELEMENTWISE = [
  'Abs', 'Add', 'And', 'Cast', 'Celu', 'Clip', 'Cos', 'Elu', 'Equal', 'Erf', 'Exp', 'Gelu', 'Greater', 'GreaterOrEqual', 'HardSigmoid', 'HardSwish',
  'LeakyRelu', 'Less', 'LessOrEqual', 'Max', 'Min', 'Mish', 'Mul', 'Neg', 'Not', 'Or', 'Relu', 'Selu', 'Sigmoid', 'Sign', 'Sin',
  'Softplus', 'Softsign', 'Sub', 'Sum', 'Tanh', 'ThresholdedRelu', 'Where',
] // prettier-ignore
/** These may make infinities of the zeros in channels that fill up a block: only for whole blocks. */
const PARTIAL = ['Div', 'Log', 'Pow', 'Reciprocal', 'Sqrt']

const isScalar = (t: Tensor): boolean => t.size === 1 && t.rank <= 1
const present = (x: readonly (Tensor | undefined)[]): Tensor[] => x.filter((t) => t !== undefined)

/** Values of a value that has one number a channel, [1, C, 1, 1] or [C, 1, 1], as [C]. */
function channelVector(t: Tensor, channels: number): Tensor | undefined {
  const from = t.shape.length === 4 && t.shape[0] === 1 ? 1 : 0
  const [c, ...rest] = t.shape.slice(from)
  return c === channels && rest.length === 2 && rest.every((d) => d === 1) ? t.reshape([channels]) : undefined
}

/** All inputs have the output's shape or are single numbers, and one at least is blocked already. */
function uniform({ x, target, step }: LoweringContext): boolean {
  if (target.block <= 1) return false
  const whole = present(x).filter((t) => !isScalar(t))
  if (!whole.some((t) => source(t)) || !whole.every((t) => t.rank === 4 && sameShape(t.shape, whole[0]!.shape))) return false
  if (PARTIAL.includes(step.node.op) && whole[0]!.shape[1]! % target.block) return false
  // Only float32 can be reordered.
  return whole.every((t) => source(t) !== undefined || t.dtype === 'float32')
}

/** Elementwise operators on blocked values stay blocked. */
export const elementwiseBlocked = defineLowering({
  op: [...ELEMENTWISE, ...PARTIAL],
  priority: 10,
  when: uniform,
  lower({ b, x, step, target }) {
    const channels = step.outputs[0]!.shape[1]!
    const inputs = (x as readonly (Tensor | undefined)[]).map((t) => (t && !isScalar(t) ? blocked(t, target.block) : t))
    return b.emitNode(step.node, inputs).map((y) => plain(y, channels))
  },
})

/** Which of two inputs is the blocked one, and the other. */
const sides = ({ x: [p, q] }: LoweringContext): readonly [Tensor, Tensor] => (source(p) && p.size >= q.size ? [p, q] : [q, p])

/** One number a channel: a pass of the depthwise kernel. */
export const channelwiseBlocked = defineLowering({
  op: ['Add', 'Sub', 'Mul'],
  priority: 11,
  when(ctx) {
    const [whole, vector] = sides(ctx)
    if (!source(whole) || !canBlock(ctx, whole) || vector.dtype !== 'float32' || isScalar(vector)) return false
    return channelVector(vector, whole.shape[1]!) !== undefined && !(whole === ctx.x[1] && ctx.step.node.op === 'Sub')
  },
  lower(ctx) {
    const { op } = ctx.step.node
    const [whole, vector] = sides(ctx)
    const channels = whole.shape[1]!
    const v = channelVector(vector, channels)!
    const y = op === 'Mul' ? perChannel(source(whole)!, v) : perChannel(source(whole)!, undefined, op === 'Sub' ? v.neg() : v)
    return [plain(y, channels)]
  },
})

/** One number an image and channel, [N, C, 1, 1] (squeeze and excitation): the depthwise kernel with images as channels. */
export const imagewiseBlocked = defineLowering({
  op: 'Mul',
  priority: 11,
  when(ctx) {
    const [whole, gate] = sides(ctx)
    const [n, c] = whole.shape as [number, number]
    return source(whole) !== undefined && canBlock(ctx, whole) && c % ctx.target.block === 0 && sameShape(gate.shape, [n, c, 1, 1])
  },
  lower(ctx) {
    const [whole, gate] = sides(ctx)
    const [n, c, h, w] = whole.shape as [number, number, number, number]
    const y = perChannel(source(whole)!.reshape([1, n * c, h, w]), gate.reshape([n * c]))
    return [plain(y.reshape([n, c, h, w]), c)]
  },
})

/** What stands behind a value, blocked or not. */
const maker = (t: Tensor) => {
  const s = source(t) ?? t
  return s.step < 0 ? undefined : s.b.steps[s.step]!
}

/**
 * The mask of a rectifier as one pass instead of a comparison and a cast: HardSigmoid with a slope near the largest number is 0 at 0 and 1 for what
 * is greater (exactly, above 3.4e-39).
 */
export const rectifierMask = defineLowering({
  op: 'Cast',
  priority: 20,
  when({ x: [x], step, target }) {
    const compared = maker(x)
    const [y, zero] = compared?.inputs ?? []
    return target.provider === 'cpu' && step.outputs[0]!.dtype === 'float32' && compared?.node.op === 'Greater' &&
      zero?.scalarValue === 0 && y?.dtype === 'float32' && maker(y)?.node.op === 'Relu' // prettier-ignore
  },
  lower({ x: [x], step }) {
    const y = maker(x)!.inputs[0]!
    const mask = y.emit('HardSigmoid', [], { alpha: 3e38, beta: 0 })
    return [source(x) ? plain(mask, step.outputs[0]!.shape[1]!) : mask]
  },
})
