import { where, type Tensor } from '../../ops/index.ts'
import { defineLowering, type Lowering, type LoweringContext } from '../lowering.ts'
import { onWebGpu } from '../support/webgpu.ts'

/**
 * What ONNX Runtime 1.30's WebGPU provider has no kernel for, or one that fails or answers wrongly, in operators that it has. Found by running the
 * examples of every operator rule on it (`npm run study -- webgpu --operators`). An operator on the CPU would be right too, but waits for the
 * device, copies, and makes the device wait.
 */
const float = ({ x: [x] }: LoweringContext): boolean => x.dtype === 'float32'

const written = (op: string, lower: Lowering['lower'], when = float): Lowering =>
  defineLowering({ op, priority: 1, when: (ctx) => onWebGpu(ctx) && when(ctx), lower })

const given = ({ x }: LoweringContext): Tensor[] => x.filter((t) => t !== undefined)
const added = (list: readonly Tensor[]): Tensor => list.reduce((sum, t) => sum.add(t))

/** x - max x - log sum exp(x - max x). */
export const logSoftmaxComposed = written('LogSoftmax', ({ x: [x], a }) => {
  const axis = a.axis as number
  const s = x.sub(x.max([axis], true))
  return [s.sub(s.exp().sum([axis], true).log())]
})

/** Hidden among shape operators by the provider; a reshape is not. */
export const flattenAsReshape = written(
  'Flatten',
  ({ x: [x], step }) => [x.reshape(step.outputs[0]!.shape)],
  ({ x: [x] }) => x.dtype !== 'int64',
)

export const sumAsAdds = written('Sum', (ctx) => [added(given(ctx))])
export const meanAsAdds = written('Mean', (ctx) => [added(given(ctx)).mul(1 / given(ctx).length)])

const positive = (x: Tensor): Tensor => x.greater(0).like(x)
const negative = (x: Tensor): Tensor => x.less(0).like(x)

export const signByComparing = written('Sign', ({ x: [x] }) => [positive(x).sub(negative(x))])

/** Halves go to the even neighbour: x + 1/2 rounded down, and one less where that was a half above an odd number. */
export const roundByFloor = written('Round', ({ x: [x] }) => {
  const up = x.add(0.5).floor()
  const odd = up.sub(up.mul(0.5).floor().mul(2))
  // From 2^23 on there are no fractions, and adding a half would round.
  return [where(x.abs().less(2 ** 23), up.sub(odd.mul(up.sub(x).equal(0.5).like(x))), x)]
})

/** The sign of the divisor, or with `fmod` that of the dividend. */
export const modByFloor = written('Mod', ({ x: [x, y], a }) => {
  if (a.fmod !== 1) return [x.sub(y.mul(x.div(y).floor()))]
  const [p, q] = [x.abs(), y.abs()]
  return [p.sub(q.mul(p.div(q).floor())).mul(positive(x).sub(negative(x)))]
})

export const seluComposed = written('Selu', ({ x: [x], a }) => {
  const { alpha, gamma } = a as { alpha: number; gamma: number }
  // The exponential is of what is not positive, so that it is finite.
  return [x.relu().add(x.minimum(0).exp().sub(1).mul(alpha)).mul(gamma)]
})

export const celuComposed = written('Celu', ({ x: [x], a }) => {
  const alpha = a.alpha as number
  return [x.relu().add(x.minimum(0).mul(1 / alpha).exp().sub(1).mul(alpha))] // prettier-ignore
})

export const softsignComposed = written('Softsign', ({ x: [x] }) => [x.div(x.abs().add(1))])

export const shrinkComposed = written('Shrink', ({ x: [x], a }) => {
  const { lambd, bias } = a as { lambd: number; bias: number }
  return [where(x.less(-lambd), x.add(bias), where(x.greater(lambd), x.sub(bias), 0))]
})

/** [N, C, H, W] to [N, k k C, H / k, W / k], the places of a block outermost. */
export const spaceToDepthByTranspose = written('SpaceToDepth', ({ x: [x], a, step }) => {
  const k = a.blocksize as number
  const [n, c, h, w] = x.shape as [number, number, number, number]
  const split = x.reshape([n, c, h / k, k, w / k, k])
  return [split.transpose([0, 3, 5, 1, 2, 4]).reshape(step.outputs[0]!.shape)]
})

/** One at the first of the largest elements: what is equal to the largest, and none such before it. */
export const hardmaxByComparing = written('Hardmax', ({ b, x: [x], a }) => {
  const axis = ((a.axis as number) + x.rank) % x.rank
  const top = x.equal(x.max([axis], true)).like(x)
  const before = top.emit('CumSum', [b.scalar(axis, 'int64')], { exclusive: 1 })
  return [top.mul(before.less(0.5).like(x))]
})

/** A reduction over no axes still applies its function to every element; the kernel returns its input. */
const overNothing = (op: string, f: (x: Tensor) => Tensor): Lowering =>
  written(
    op,
    ({ x: [x] }) => [f(x)],
    (ctx) => float(ctx) && ctx.a.noop_with_empty_axes === 1 && !ctx.opt(1)?.size,
  )

export const l1OverNothing = overNothing('ReduceL1', (x) => x.abs())
export const l2OverNothing = overNothing('ReduceL2', (x) => x.abs())
export const logSumOverNothing = overNothing('ReduceLogSum', (x) => x.log())
export const sumSquareOverNothing = overNothing('ReduceSumSquare', (x) => x.square())

/** A kernel writes at most as many buffers as WebGPU promises to every shader (8), its input among them. More parts are taken one by one. */
const MOST_PARTS = 7

export const splitBySlices = defineLowering({
  op: 'Split',
  priority: 1,
  when: (ctx) => onWebGpu(ctx) && ctx.outputs > MOST_PARTS,
  lower({ x: [x], a, step }) {
    const axis = ((a.axis as number) + x.rank) % x.rank
    let from = 0
    return step.outputs.map((part) => x.slice([from], [(from += part.shape[axis]!)], [axis]))
  },
})
