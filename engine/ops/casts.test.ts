import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { gradients } from '../autodiff/index.ts'
import { DATA_TYPES, isFloat, type DataType } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { newBuilder, type Tensor } from './index.ts'

/** Conversions between all element types that ONNX Runtime converts, forward and back: floats pass gradients on, anything else stops them. */

const TYPES: readonly DataType[] = [
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'uint32',
  'int64',
  'uint64',
  'bool',
]
const LOW: readonly DataType[] = ['int4', 'uint4', 'float8e4m3fn', 'float8e5m2']
const X = [0, 1, 1, 0, 1]

async function run(outputs: Record<string, Tensor>): Promise<Record<string, number[]>> {
  const b = Object.values(outputs)[0]!.b
  const session = await InferenceSession.create(encodeModel(b.model(outputs)), {
    logSeverityLevel: 3,
    intraOpNumThreads: 1,
    graphOptimizationLevel: 'disabled',
  })
  const result = await session.run({ x: new OrtTensor('float32', Float32Array.from(X), [X.length]) })
  return Object.fromEntries(Object.entries(result).map(([name, t]) => [name, Array.from(t.data as Float32Array)]))
}

describe('casts', () => {
  it.each(TYPES.flatMap((from) => TYPES.map((to) => [from, to] as const)))('%s to %s', async (from, to) => {
    const b = newBuilder()
    const x = b.input('x', 'float32', [X.length])
    const y = x.cast(from).emit('Cast', [], { to: DATA_TYPES[to].code })
    expect([y.dtype, y.shape]).toEqual([to, [X.length]])
    const back = y.cast('float32')
    const weights = b.array('float32', [X.length], [1, 2, 3, 4, 5])
    const [dx] = gradients(back.mul(weights).sum(), [x]) as [Tensor]
    const found = await run({ back, dx })
    expect(found.back).toEqual(X)
    expect(found.dx).toEqual(isFloat(from) && isFloat(to) ? [1, 2, 3, 4, 5] : [0, 0, 0, 0, 0])
  })

  it.each(LOW)('%s and back', async (to) => {
    const b = newBuilder()
    const x = b.input('x', 'float32', [X.length])
    const y = x.cast(to)
    expect(y.dtype).toBe(to)
    const back = y.cast('float32')
    const [dx] = gradients(back.sum(), [x]) as [Tensor]
    const found = await run({ back, dx })
    expect(found.back).toEqual(X)
    expect(found.dx).toEqual([0, 0, 0, 0, 0])
  })
})
