import { sameShape } from '../../ir/index.ts'
import type { Tensor } from '../../ops/index.ts'
import { defineLowering, type LoweringContext } from '../lowering.ts'
import { blocked, canBlock, perChannel, plain, source } from '../support/nchwc.ts'

/** Operators that treat every element alike: they do not see how a value is laid out. */
const ELEMENTWISE = [
  'Abs', 'Add', 'And', 'Cast', 'Celu', 'Clip', 'Cos', 'Div', 'Elu', 'Equal', 'Erf', 'Exp', 'Gelu', 'Greater', 'GreaterOrEqual',
  'HardSigmoid', 'HardSwish', 'LeakyRelu', 'Less', 'LessOrEqual', 'Log', 'Max', 'Min', 'Mish', 'Mul', 'Neg', 'Not', 'Or', 'Pow',
  'Reciprocal', 'Relu', 'Selu', 'Sigmoid', 'Sign', 'Sin', 'Softplus', 'Softsign', 'Sqrt', 'Sub', 'Sum', 'Tanh', 'ThresholdedRelu', 'Where',
] // prettier-ignore

const isScalar = (t: Tensor): boolean => t.size === 1 && t.rank <= 1

/** Values of a value that has one number a channel, [1, C, 1, 1] or [C, 1, 1], as [C]. */
function channelVector(t: Tensor, channels: number): Tensor | undefined {
  const from = t.shape.length === 4 && t.shape[0] === 1 ? 1 : 0
  const [c, ...rest] = t.shape.slice(from)
  return c === channels && rest.length === 2 && rest.every((d) => d === 1) ? t.reshape([channels]) : undefined
}

/** All inputs have the output's shape or are single numbers, and one at least is blocked already. */
const uniform = ({ x, target }: LoweringContext): boolean => {
  const inputs = (x as readonly (Tensor | undefined)[]).filter((t) => t !== undefined)
  const whole = inputs.filter((t) => !isScalar(t))
  return (
    target.block > 1 && whole.some((t) => source(t)) && whole.every((t) => t.rank === 4 && sameShape(t.shape, whole[0]!.shape)) &&
    whole.every((t) => source(t) || t.dtype === 'float32')
  ) // prettier-ignore
}

/** Elementwise operators on blocked values stay blocked. */
export const elementwiseBlocked = defineLowering({
  op: ELEMENTWISE,
  priority: 10,
  when: uniform,
  lower({ b, x, step }) {
    const inputs = (x as readonly (Tensor | undefined)[]).map((t) => (t && !isScalar(t) ? blocked(t) : t))
    return b.emitNode(step.node, inputs).map(plain)
  },
})

/** One number a channel: a pass of the depthwise kernel. */
export const channelwiseBlocked = defineLowering({
  op: ['Add', 'Sub', 'Mul'],
  priority: 11,
  when(ctx) {
    const [p, q] = ctx.x
    const swapped = source(q) !== undefined && source(p) === undefined
    const [whole, vector] = swapped ? [q, p] : [p, q]
    if (!source(whole) || !canBlock(ctx, whole) || vector.dtype !== 'float32' || isScalar(vector)) return false
    return channelVector(vector, whole.shape[1]!) !== undefined && !(swapped && ctx.step.node.op === 'Sub')
  },
  lower({ x: [p, q], step }) {
    const [whole, vector] = source(p) ? [p, q] : [q, p]
    const v = channelVector(vector, whole.shape[1]!)!
    if (step.node.op === 'Mul') return [plain(perChannel(source(whole)!, v))]
    return [plain(perChannel(source(whole)!, undefined, step.node.op === 'Sub' ? v.neg() : v))]
  },
})

/** One number an image and channel, [N, C, 1, 1] (squeeze and excitation): the depthwise kernel with images as channels. */
export const imagewiseBlocked = defineLowering({
  op: 'Mul',
  priority: 11,
  when(ctx) {
    const [p, q] = ctx.x
    const [whole, gate] = source(p) && p.shape[2]! * p.shape[3]! > 1 ? [p, q] : [q, p]
    return (
      source(whole) !== undefined &&
      canBlock(ctx, whole) &&
      gate.rank === 4 &&
      sameShape(gate.shape, [whole.shape[0]!, whole.shape[1]!, 1, 1])
    )
  },
  lower({ x: [p, q] }) {
    const [whole, gate] = source(p) && p.shape[2]! * p.shape[3]! > 1 ? [p, q] : [q, p]
    const [n, c, h, w] = whole.shape as [number, number, number, number]
    const y = perChannel(source(whole)!.reshape([1, n * c, h, w]), gate.reshape([n * c]))
    return [plain(y.reshape([n, c, h, w]))]
  },
})
