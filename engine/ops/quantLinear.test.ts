import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { gradients } from '../autodiff/index.ts'
import { DATA_TYPES, TensorData, type DataType } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { newBuilder, type Tensor } from './index.ts'

/**
 * Gradients through QuantizeLinear and DequantizeLinear against the formulas of the papers: they are not slopes of the function (which is a
 * staircase), so differences cannot be the reference. The reference for x is a clip, that for the scale Esser et al. 2020, equation 3.
 */

const options = { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const
const X = [-3.0123, -1.3117, -0.6271, -0.1033, 0.1229, 0.4057, 0.7703, 2.0519, 4.0071, 1.1133, -0.2837, 0.9311]
const SHAPE = [3, 4]

/** A zero point of a type that plain numbers cannot be written to: 0 in every bit. */
const zeros = (dtype: DataType, dims: readonly number[], bits: number) =>
  new TensorData(dtype, dims, () => new Uint8Array(Math.ceil((dims.reduce((n, d) => n * d, 1) * bits) / 8)))

interface Case {
  dtype: DataType
  range: readonly [number, number]
  scale: readonly number[]
  dims: readonly number[]
  a: Record<string, number>
  /** Index of the scale of element i. */
  of: (i: number) => number
  zero?: readonly number[]
}

const one = { scale: [0.11], dims: [], a: {}, of: () => 0 }
const CASES: Record<string, Case> = {
  'int8 by tensor': { dtype: 'int8', range: [-128, 127], ...one, scale: [0.011] },
  'int4 by tensor': { dtype: 'int4', range: [-8, 7], ...one },
  'uint4 by tensor': { dtype: 'uint4', range: [0, 15], ...one },
  'uint16 by tensor': { dtype: 'uint16', range: [0, 65535], ...one },
  'int16 by tensor': { dtype: 'int16', range: [-32768, 32767], ...one },
  'uint8 with zero points by column': {
    dtype: 'uint8',
    range: [0, 255],
    scale: [0.01, 0.02, 0.03, 0.2],
    dims: [4],
    a: { axis: 1 },
    of: (i) => i % 4,
    zero: [100, 128, 3, 0],
  },
  'int8 in blocks': {
    dtype: 'int8',
    range: [-128, 127],
    scale: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.007, 0.08],
    dims: [2, 4],
    a: { axis: 0, block_size: 2 },
    of: (i) => 4 * Math.floor(i / 8) + (i % 4),
    zero: [0, 1, 2, 3, 4, 5, 6, 7],
  },
}

async function run(outputs: Record<string, Tensor>, x: readonly number[], scale: readonly number[], dims: readonly number[]) {
  const b = Object.values(outputs)[0]!.b
  const session = await InferenceSession.create(encodeModel(b.model(outputs)), options)
  const result = await session.run({
    x: new OrtTensor('float32', Float32Array.from(x), SHAPE),
    scale: new OrtTensor('float32', Float32Array.from(scale), dims),
  })
  return Object.fromEntries(Object.entries(result).map(([name, t]) => [name, Array.from(t.data as Float32Array)]))
}

const close = (found: readonly number[] | undefined, expected: readonly number[]) => {
  expect(found?.length).toBe(expected.length)
  expected.forEach((e, i) =>
    expect(Math.abs(found![i]! - e), `entry ${i}: found ${found![i]}, expected ${e}`).toBeLessThan(1e-4 * Math.max(1, Math.abs(e))),
  )
}

describe('straight-through gradients', () => {
  it.each(Object.entries(CASES))('%s', async (_, { dtype, range: [lo, hi], scale, dims, a, of, zero }) => {
    const b = newBuilder()
    const x = b.input('x', 'float32', SHAPE)
    const s = b.input('scale', 'float32', dims)
    const z = b.constant(zero ? TensorData.from(dtype, dims, zero) : zeros(dtype, dims, DATA_TYPES[dtype].bits))
    const q = b.emit('QuantizeLinear', [x, s, z], a)[0]!
    const y = b.emit('DequantizeLinear', [q, s, z], a)[0]!
    const weight = b.array(
      'float32',
      SHAPE,
      X.map((_, i) => Math.cos(i + 1)),
    )
    const [dx, ds] = gradients(y.mul(weight).sum(), [x, s]) as [Tensor, Tensor]
    // The slope of sum(ds) to x: each element's share is the derivative of w (q - z - x / s), which straight through is w (1 / s - 1 / s) inside.
    const [ddx] = gradients(ds.sum(), [x]) as [Tensor]
    const found = await run({ y, dx, ds, ddx }, X, scale, dims)

    const ratio = X.map((v, i) => v / scale[of(i)]!)
    const shift = (i: number) => zero?.[of(i)] ?? 0
    const code = ratio.map((v, i) => Math.min(hi, Math.max(lo, Math.round(v) + shift(i))) - shift(i))
    const inside = ratio.map((v, i) => v + shift(i) >= lo && v + shift(i) <= hi)
    close(
      found.y,
      code.map((c, i) => c * scale[of(i)]!),
    )
    close(
      found.dx,
      inside.map((k, i) => (k ? Math.cos(i + 1) : 0)),
    )
    const expected = scale.map(() => 0)
    code.forEach((c, i) => (expected[of(i)]! += Math.cos(i + 1) * (inside[i] ? c - ratio[i]! : c)))
    close(found.ds, expected)
    close(
      found.ddx,
      X.map(() => 0),
    )
    // The cases must have something inside of the range; those of few bits have something outside of it.
    expect(inside).toContain(true)
    if (hi - lo < 256) expect(inside).toContain(false)
  })

  it.each(['float8e4m3fn', 'float8e5m2'] as const)('%s passes the gradient on inside of its range', async (dtype) => {
    const b = newBuilder()
    const x = b.input('x', 'float32', SHAPE)
    const s = b.input('scale', 'float32', [])
    const z = b.constant(zeros(dtype, [], 8))
    const y = b.emit('DequantizeLinear', [b.emit('QuantizeLinear', [x, s, z])[0]!, s, z])[0]!
    const [dx] = gradients(y.square().mul(0.5).sum(), [x]) as [Tensor]
    const limit = dtype === 'float8e4m3fn' ? 448 : 57344
    const scale = 3 / limit
    const found = await run({ y, dx }, X, [scale], [])
    close(
      found.dx,
      X.map((v, i) => (Math.abs(v) <= 3 * 1.000001 ? found.y![i]! : 0)),
    )
  })
})

describe('integer operators without a gradient', () => {
  it('are named, with the reason, instead of passing zeros on', () => {
    const b = newBuilder()
    const x = b.input('x', 'float32', [2, 4])
    const w = b.array('int8', [4, 3], Array<number>(12).fill(1))
    const s = b.scalar(0.1)
    const q = b.emit('QuantizeLinear', [x, s])[0]!
    const y = b.emit('MatMulInteger', [q, w])[0]!.cast('float32').mul(s)
    expect(() => gradients(y.sum(), [x])).toThrow(/no gradient for MatMulInteger: .*integers/)
  })
})
