import { dataTypeOf, showShape, sizeOf, type DataType } from '../../ir/index.ts'
import { int } from '../attrs.ts'
import { defineOp, type InferContext, type OpRule } from '../rule.ts'
import { axisIn, fault } from '../support/axes.ts'
import type { Tensor } from '../tensor.ts'

const whole = (value: number, dtype: DataType = 'int64') => ({ shape: [], dtype, values: [value] })

function typeOf(code: number, fail: (message: string) => never): DataType {
  return dataTypeOf(code) ?? fail(`${code} is no element type`)
}

/** A window of a known length: a constant. */
const window = (type: string): OpRule =>
  defineOp({
    type,
    since: 17,
    attrs: { periodic: int(1), output_datatype: int(1) },
    infer: ({ a, known, fail }) => [{ dtype: typeOf(a.output_datatype, fail), shape: [known(0, 'size')[0]!] }],
    grad: 'zero',
    cost: ({ y: [y] }) => 8 * sizeOf(y.shape),
    channels: () => [],
    examples: [{ x: [whole(8)] }, { x: [whole(7)], a: { periodic: 0 } }],
  })

export const HannWindow = window('HannWindow')
export const HammingWindow = window('HammingWindow')
export const BlackmanWindow = window('BlackmanWindow')

/** Weights [spectrum, bands] from a linear to a mel scale. Inputs: bands, length of the transform, sample rate, lowest and highest frequency. */
export const MelWeightMatrix = defineOp({
  type: 'MelWeightMatrix',
  since: 17,
  attrs: { output_datatype: int(1) },
  infer: ({ a, known, fail }) => [
    {
      dtype: typeOf(a.output_datatype, fail),
      shape: [Math.floor(known(1, 'dft_length')[0]! / 2) + 1, known(0, 'num_mel_bins')[0]!],
    },
  ],
  grad: 'zero',
  cost: ({ y: [y] }) => 4 * sizeOf(y.shape),
  channels: () => [],
  examples: [
    {
      x: [
        whole(8),
        whole(16),
        whole(8192),
        { shape: [], values: [0], dtype: 'float32' },
        { shape: [], values: [4096], dtype: 'float32' },
      ],
    },
  ],
})

/** Slice or zero padding at the end of an axis. */
function fit(x: Tensor, axis: number, size: number): Tensor {
  const d = x.shape[axis]!
  if (d === size) return x
  if (d > size) return x.slice([0], [size], [axis])
  const pads = new Array<number>(2 * x.rank).fill(0)
  pads[x.rank + axis] = size - d
  return x.pad(pads)
}

interface DftAttrs {
  readonly inverse: number
  readonly onesided: number
}

/** Axis and length of a transform. A one-sided inverse takes the half of a spectrum, so its length is that of the whole. */
function dftLength(x: { shape: readonly number[] }, a: DftAttrs, given: number | undefined, axis: number): number {
  const d = x.shape[axis]!
  return given ?? (a.inverse && a.onesided ? 2 * (d - 1) : d)
}

const dft = (x: Tensor, length: number, axis: number, attrs: Record<string, number>): Tensor =>
  x.emit('DFT', [x.b.scalar(length, 'int64'), x.b.scalar(axis, 'int64')], attrs)

/** The real part of a complex tensor, where the operand was real. */
const partsOf = (d: Tensor, x: Tensor): Tensor => (x.shape.at(-1) === 1 ? d.slice([0], [1], [d.rank - 1]) : d)

/**
 * Discrete Fourier transform along an axis, complex numbers as a last axis of two. It is linear, so its gradient is its conjugate transpose:
 * another transform. Spec: onnx DFT-20.
 */
export const DFT = defineOp({
  type: 'DFT',
  since: 20,
  attrs: { inverse: int(0), onesided: int(0) },
  infer({ x: [x], a, opt, known, fail }) {
    const rank = x.shape.length
    const axis = axisIn(opt(2) ? known(2, 'axis')[0]! : -2, rank, fail)
    if (rank < 2 || axis === rank - 1 || x.shape.at(-1)! > 2) fail(`${showShape(x.shape)} along axis ${axis} is no signal`)
    const length = dftLength(x, a, opt(1) ? known(1, 'dft_length')[0]! : undefined, axis)
    const half = a.onesided && !a.inverse
    if (half && x.shape.at(-1) !== 1) fail('a one-sided transform takes real numbers')
    const shape = x.shape.map((d, i) => (i === axis ? (half ? Math.floor(length / 2) + 1 : length) : d))
    return [{ dtype: x.dtype, shape: [...shape.slice(0, -1), a.inverse && a.onesided ? 1 : 2] }]
  },
  grad({ b, x: [x], dy: [dy], a, opt }) {
    const axis = axisIn(opt(2)?.value?.numbers()[0] ?? -2, x.rank, fault)
    const n = dftLength(x, a, opt(1)?.value?.numbers()[0], axis)
    if (!a.inverse) {
      const whole = dft(fit(dy, axis, n), n, axis, { inverse: 1 }).mul(n)
      return [fit(partsOf(whole, x), axis, x.shape[axis]!)]
    }
    if (!a.onesided) return [fit(partsOf(dft(dy, n, axis, {}).mul(1 / n), x), axis, x.shape[axis]!)]
    // A real inverse counts every frequency twice but the first, and the last of an even length.
    const half = dft(dy, n, axis, { onesided: 1 })
    const count = half.shape[axis]!
    const weights = Array.from({ length: count }, (_, k) => (k === 0 || 2 * k === n ? 1 : 2) / n)
    const column = b.array(
      x.dtype,
      half.shape.map((_, i) => (i === axis ? count : 1)),
      weights,
    )
    return [fit(partsOf(half.mul(column), x), axis, x.shape[axis]!)]
  },
  cost: ({ y: [y] }) => 5 * sizeOf(y.shape) * Math.log2(2 + sizeOf(y.shape)),
  channels: ({ x: [x], y: [y] }) =>
    x.shape.slice(0, -1).flatMap((d, i) => (d === y.shape[i] ? [{ a: ['x0', i], b: ['y0', i] } as const] : [])),
  examples: [
    { x: [[2, 6, 1], null, whole(1)] },
    { x: [[2, 5, 2]], a: { inverse: 1 } },
    { x: [[2, 6, 1]], a: { onesided: 1 } },
    { x: [[2, 7, 1], whole(5)], a: { onesided: 1 } },
    { x: [[3, 4, 2], whole(6), whole(0)] },
    { x: [[2, 4, 2], null, whole(1)], a: { inverse: 1, onesided: 1 } },
  ],
})

function frames({ x: [signal], opt, known }: Pick<InferContext<unknown>, 'x' | 'opt' | 'known'>) {
  const step = known(1, 'frame_step')[0]!
  const size = opt(2)?.shape[0] ?? known(3, 'frame_length')[0]!
  return { step, size, count: Math.floor((signal.shape[1]! - size) / step) + 1 }
}

/** Short-time Fourier transform: windowed frames of a signal [B, L, 1], each transformed: [B, frames, frequencies, 2]. Spec: onnx STFT-17. */
export const STFT = defineOp({
  type: 'STFT',
  since: 17,
  attrs: { onesided: int(1) },
  infer(ctx) {
    const [signal] = ctx.x
    if (signal.shape.length !== 3) ctx.fail(`expected a signal [batch, length, 1 or 2], found ${showShape(signal.shape)}`)
    const { size, count } = frames(ctx)
    return [{ dtype: signal.dtype, shape: [signal.shape[0]!, count, ctx.a.onesided ? Math.floor(size / 2) + 1 : size, 2] }]
  },
  grad: 'expand',
  expand({ b, x, a, opt }) {
    const [signal] = x
    const { step, size, count } = frames({ x, opt, known: (i) => Array.from(x[i]!.value!.numbers()) })
    const index = Array.from({ length: count * size }, (_, i) => step * Math.floor(i / size) + (i % size))
    const parts = signal.gather(b.array('int64', [count, size], index), 1)
    const window = opt(2)
    const shaped = window ? parts.mul(window.reshape([size, 1])) : parts
    return [dft(shaped, size, 2, a.onesided ? { onesided: 1 } : {})]
  },
  cost: ({ y: [y] }) => 5 * sizeOf(y.shape) * Math.log2(2 + y.shape[2]!),
  channels: () => [{ a: ['x0', 0], b: ['y0', 0] }],
  examples: [
    { x: [[2, 12, 1], whole(2), [4]] },
    { x: [[1, 12, 1], whole(3), null, whole(6)] },
    { x: [[1, 10, 1], whole(4), [4]], a: { onesided: 0 } },
  ],
})
