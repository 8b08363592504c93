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
} from '../../ir/index.ts'
import { random } from '../../random.ts'
import { createSession, Value, type Feeds } from '../../session/index.ts'
import { quantizeDynamically } from '../dynamic.ts'
import { quantizeModel } from '../quantizeModel.ts'
import { quantizeWeights } from '../weightOnly.ts'
import { checkNodes } from './check.ts'
import { simulation } from './floats.ts'

/** Strided, depthwise and residual convolutions, pools, a product with a bias and one without. */
function network(): Model {
  const draw = random(5, 'simulate')
  let n = 0
  const graph = makeGraph('simulate')
  const weight = (name: string, dims: number[], deviation: number) => {
    graph.initializers.set(name, TensorData.from('float32', dims, Array.from({ length: sizeOf(dims) }, () => deviation * draw.normal(n++)))) // prettier-ignore
    return name
  }
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3, 8, 8]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 6]) }]
  const pads = intsAttr([1, 1, 1, 1])
  graph.nodes = [
    makeNode('Conv', ['x', weight('w0', [8, 3, 3, 3], 0.3), weight('b0', [8], 0.1)], ['c0'], { pads, strides: intsAttr([2, 2]) }, { name: 'stem' }),
    makeNode('Relu', ['c0'], ['r0']),
    makeNode('Conv', ['r0', weight('w1', [8, 1, 3, 3], 0.4)], ['c1'], { pads, group: intAttr(8) }, { name: 'depthwise' }),
    makeNode('Add', ['c1', 'r0'], ['s1']),
    makeNode('Relu', ['s1'], ['r1']),
    makeNode('MaxPool', ['r1'], ['p1'], { kernel_shape: intsAttr([2, 2]), strides: intsAttr([2, 2]) }),
    makeNode('Conv', ['p1', weight('w2', [16, 8, 1, 1], 0.4), weight('b2', [16], 0.1)], ['c2'], {}, { name: 'pointwise' }),
    makeNode('GlobalAveragePool', ['c2'], ['g']),
    makeNode('Flatten', ['g'], ['f']),
    makeNode('Gemm', ['f', weight('w3', [12, 16], 0.4), weight('b3', [12], 0.1)], ['h'], { transB: intAttr(1) }, { name: 'hidden' }),
    makeNode('Relu', ['h'], ['hr']),
    makeNode('MatMul', ['hr', weight('w4', [12, 6], 0.4)], ['y'], {}, { name: 'last' }),
  ] // prettier-ignore
  return makeModel(graph, 17)
}

const feeds = (seed: number): Feeds => {
  const data = new Float32Array(8 * 3 * 64)
  random(seed, 'x').fillNormal(data, 0, 1)
  return { x: Value.of('float32', [8, 3, 8, 8], data) }
}
async function* samples() {
  for (let k = 0; k < 4; k++) yield feeds(k)
}
const run = async (m: Model) => {
  const session = await createSession(m, { threads: 1 })
  const y = Array.from((await session.run(feeds(9))).y!.data as Float32Array)
  await session.release()
  return y
}
const close = (a: readonly number[], b: readonly number[], share: number) => {
  const size = Math.max(...a.map(Math.abs))
  expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))).toBeLessThan(share * size)
}

describe('simulation', () => {
  it.each([
    ['int8', {}],
    ['uint8', {}],
    ['int8-signed', { symmetric: true }],
    ['int8', { symmetric: true, granularity: 'per-tensor' }],
    ['int8', { format: 'qoperator' }],
    ['uint8', { format: 'qoperator', granularity: 'per-tensor' }],
  ] as const)('%s %o: each node of the runtime is within one step of it, given equal integers', async (scheme, o) => {
    const { model } = await quantizeModel(network(), { scheme, samples, threads: 1, ...o })
    expect(verify(model).map((p) => p.message)).toEqual([])
    const found = await checkNodes(model, samples, { threads: 1 })
    const ops = found.map((f) => f.ops.join(' '))
    expect(ops).toContain('format' in o ? 'QLinearConv' : 'Conv QuantizeLinear')
    expect(found.length).toBeGreaterThan(5)
    for (const f of found) expect(f.steps).toBeLessThanOrEqual(1)
    // Ties fall to one side or the other by the last bit of a product; whole codes must not.
    for (const f of found) expect(f.differing).toBeLessThan(0.01)
    close(await run(model), await run(simulation(model)), 0.02)
  })

  it('int16: the runtime computes in floats between, as the simulation does', async () => {
    const { model, layers } = await quantizeModel(network(), { scheme: 'int16', samples, threads: 1 })
    expect(layers.filter((l) => l.precision === 'int16')).toHaveLength(5)
    for (const f of await checkNodes(model, samples, { threads: 1 })) expect(f.steps).toBeLessThanOrEqual(1)
    close(await run(model), await run(simulation(model)), 0.001)
  })

  it('sees a kernel that computes something else', async () => {
    const { model } = await quantizeModel(network(), { samples, threads: 1 })
    const wrong = simulation(model)
    const right = await run(simulation(model))
    const scale = [...model.graph.initializers].find(([name]) => name === 'pointwise/weight/scale')!
    model.graph.initializers.set(scale[0], TensorData.from('float32', scale[1].dims, Array.from(scale[1].numbers(), (v) => 1.1 * v))) // prettier-ignore
    expect(await run(simulation(model))).not.toEqual(right)
    expect(await run(wrong)).toEqual(right)
  })

  it('holds no operator on integers', async () => {
    const models = [
      (await quantizeModel(network(), { samples, threads: 1 })).model,
      (await quantizeDynamically(network(), { samples, threads: 1 })).model,
      (await quantizeWeights(network(), { bits: 4, block: 16, samples, threads: 1 })).model,
    ]
    for (const model of models) {
      const ops = simulation(model).graph.nodes.map((n) => n.op)
      expect(ops.filter((op) => /Quantize|Integer|QLinear|QGemm|NBits/.test(op))).toEqual([])
      close(await run(model), await run(simulation(model)), 0.02)
    }
  })
})
