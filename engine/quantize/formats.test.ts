import { describe, expect, it } from 'vitest'
import {
  intAttr,
  intsAttr,
  makeGraph,
  makeModel,
  makeNode,
  sizeOf,
  TensorData,
  tensorType,
  verify,
  type Model,
} from '../ir/index.ts'
import { decodeModel, encodeModel } from '../onnx/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Feeds } from '../session/index.ts'
import { quantizeDynamically } from './dynamic.ts'
import { toHalfPrecision } from './half.ts'

const draw = random(6, 'formats')
let drawn = 0
const normal = (dims: number[], deviation: number) =>
  TensorData.from(
    'float32',
    dims,
    Float64Array.from({ length: sizeOf(dims) }, () => deviation * draw.normal(drawn++)),
  )

function model(large = 1): Model {
  drawn = 0
  const graph = makeGraph('formats')
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3, 8, 8]) }]
  graph.outputs = [
    { name: 'y', type: tensorType('float32', ['n', 10]) },
    { name: 'best', type: tensorType('int64', ['n']) },
  ]
  graph.initializers = new Map(
    Object.entries({
      w1: normal([8, 3, 3, 3], 0.3),
      b1: normal([8], 0.1),
      factor: TensorData.scalar('float32', large),
      inverse: TensorData.scalar('float32', 1 / large),
      sizes: TensorData.int64([-1, 8, 8, 8]),
      scales: TensorData.from('float32', [4], [1, 1, 2, 2]),
      axes: TensorData.int64([2, 3]),
      w3: normal([8, 20], 0.3),
      w4: normal([10, 20], 0.3),
      b4: normal([10], 0.3),
    }),
  )
  graph.nodes = [
    makeNode('Conv', ['x', 'w1', 'b1'], ['c1'], { pads: intsAttr([1, 1, 1, 1]), strides: intsAttr([2, 2]) }, { name: 'conv' }),
    makeNode('Relu', ['c1'], ['r1']),
    makeNode('Mul', ['r1', 'factor'], ['big'], {}, { name: 'enlarge' }),
    makeNode('Mul', ['big', 'inverse'], ['small'], {}, { name: 'shrink' }),
    makeNode('Resize', ['small', '', 'scales'], ['up'], {}, { name: 'resize' }),
    makeNode('ReduceMean', ['up', 'axes'], ['m'], { keepdims: intAttr(0) }),
    makeNode('MatMul', ['m', 'w3'], ['p'], {}, { name: 'product' }),
    makeNode('Sigmoid', ['p'], ['s']),
    makeNode('Gemm', ['s', 'w4', 'b4'], ['y'], { transB: intAttr(1) }, { name: 'last' }),
    makeNode('ArgMax', ['y'], ['best'], { axis: intAttr(1), keepdims: intAttr(0) }),
  ]
  return makeModel(graph, 18)
}

const feeds = (seed: number): Feeds => {
  const data = new Float32Array(4 * 3 * 64)
  random(seed, 'x').fillNormal(data, 0, 1)
  return { x: Value.of('float32', [4, 3, 8, 8], data) }
}
async function* samples() {
  for (let k = 0; k < 3; k++) yield feeds(k)
}
const outputs = async (m: Model, x: Feeds) => {
  const session = await createSession(decodeModel(encodeModel(m)), { threads: 1 })
  try {
    return Array.from((await session.run(x)).y!.data as Float32Array)
  } finally {
    await session.release()
  }
}
const distance = (a: readonly number[], b: readonly number[]) =>
  Math.sqrt(a.reduce((s, v, i) => s + (v - b[i]!) ** 2, 0) / a.reduce((s, v) => s + v * v, 0))

describe('half precision', () => {
  it('keeps inputs and outputs, halves the weights, and computes the same', async () => {
    const float = model()
    const { model: half, layers } = await toHalfPrecision(float, { samples, threads: 1 })
    expect(verify(half).map((p) => p.message)).toEqual([])
    expect(half.graph.inputs).toEqual(float.graph.inputs)
    expect(half.graph.outputs).toEqual(float.graph.outputs)
    expect(layers.map((l) => l.precision)).toEqual(['float16', 'float16', 'float16'])
    expect([...half.graph.initializers.values()].filter((t) => t.dtype === 'float32' && t.size > 4)).toEqual([])
    const error = distance(await outputs(float, feeds(7)), await outputs(half, feeds(7)))
    expect(error).toBeGreaterThan(1e-6)
    expect(error).toBeLessThan(3e-3)
  })

  it('leaves in single precision what overflows on the samples, and what is excluded', async () => {
    const float = model(1e6)
    const { model: half, layers } = await toHalfPrecision(float, { samples, threads: 1, exclude: ['last'] })
    expect(layers.find((l) => l.name === 'last')?.reason).toBe("excluded by 'last'")
    const out = await outputs(half, feeds(7))
    expect(out.every(Number.isFinite)).toBe(true)
    expect(distance(await outputs(float, feeds(7)), out)).toBeLessThan(3e-3)
  })
})

describe('dynamic int8', () => {
  it.each([
    [true, false],
    [false, true],
  ])('runs in ONNX Runtime, per channel %s, 7 bits %s', async (perChannel, reduceRange) => {
    const float = model()
    const { model: small, layers } = await quantizeDynamically(float, { samples, threads: 1, perChannel, reduceRange })
    expect(verify(small).map((p) => p.message)).toEqual([])
    expect(layers.map((l) => l.precision)).toEqual(Array<string>(3).fill('int8 dynamic'))
    expect(
      small.graph.nodes
        .map((n) => n.op)
        .filter((op) => op.endsWith('Integer'))
        .sort(),
    ).toEqual(['ConvInteger', 'MatMulInteger', 'MatMulInteger'])
    expect(distance(await outputs(float, feeds(7)), await outputs(small, feeds(7)))).toBeLessThan(0.05)
  })
})
