import { madeBy } from '../../ops/support/values.ts'
import type { Tensor } from '../../ops/index.ts'
import { defineLowering, type Lowering, type LoweringContext } from '../lowering.ts'
import { onWebGpu } from '../support/webgpu.ts'

/**
 * ONNX Runtime's WebGPU provider computes with 32-bit integers and at most reads 64-bit ones, so an operator on int64 runs on the CPU. A value that
 * was cast to int64 is such an operator's way out: the operator is written on what stood before the cast, and the cast comes after it. So
 * casts wander down to the readers that need int64 (indices), which the provider has kernels for.
 */
const narrow = (x: Tensor): Tensor | undefined => {
  const before = x.dtype === 'int64' ? madeBy(x, 'Cast')?.inputs[0] : undefined
  if (before?.dtype === 'int32') return before
  // Positions that were computed as numbers.
  return before?.dtype === 'float32' || before?.dtype === 'bool' ? before.cast('int32') : undefined
}

/** Small known numbers in int32. */
const narrowConstant = (x: Tensor): Tensor | undefined => {
  if (x.dtype !== 'int64' || !x.value) return undefined
  const values = Array.from(x.value.numbers())
  return values.every((v) => Math.abs(v) < 2 ** 31) ? x.b.array('int32', x.shape, values) : undefined
}

const narrowAny = (x: Tensor | undefined): Tensor | undefined => x && (narrow(x) ?? narrowConstant(x))

const someNarrow = ({ x }: LoweringContext): boolean => x.some((t) => t !== undefined && narrow(t) !== undefined)

/** Operators that move elements of their first input: shapes and axes of the others stay. */
const moving = (op: string): Lowering =>
  defineLowering({
    op,
    when: (ctx) => onWebGpu(ctx) && narrow(ctx.x[0]) !== undefined,
    lower: ({ b, x, step, outputs, opt }) => {
      const rest = step.inputs.slice(1).map((_, i) => opt(i + 1))
      return b.emit(op, [narrow(x[0]), ...rest], step.a, { outputs }).map((t) => t.cast('int64'))
    },
  })

export const reshapeNarrow = moving('Reshape')
export const squeezeNarrow = moving('Squeeze')
export const unsqueezeNarrow = moving('Unsqueeze')
export const transposeNarrow = moving('Transpose')

export const concatNarrow = defineLowering({
  op: 'Concat',
  when: (ctx) => onWebGpu(ctx) && someNarrow(ctx) && ctx.step.inputs.every((_, i) => narrowAny(ctx.opt(i)) !== undefined),
  lower: ({ b, step, opt }) => [
    b
      .emit(
        'Concat',
        step.inputs.map((_, i) => narrowAny(opt(i))),
        step.a,
      )[0]!
      .cast('int64'),
  ],
})

/** Comparisons and arithmetic of numbers that were int32: nothing that a model counts reaches 2^31. */
export const compareNarrow = defineLowering({
  op: ['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'Add', 'Sub', 'Mul'],
  when: (ctx) => onWebGpu(ctx) && someNarrow(ctx) && narrowAny(ctx.x[0]) !== undefined && narrowAny(ctx.x[1]) !== undefined,
  lower({ b, x, step }) {
    const y = b.emit(step.node.op, [narrowAny(x[0]), narrowAny(x[1])], step.a)
    return y.map((t) => (t.dtype === 'int32' ? t.cast('int64') : t))
  },
})

/** A cast of a cast. */
export const castNarrow = defineLowering({
  op: 'Cast',
  when: (ctx) => onWebGpu(ctx) && narrow(ctx.x[0]) !== undefined,
  lower: ({ x, step }) => [narrow(x[0])!.cast(step.outputs[0]!.dtype)],
})
