import { describe, expect, it } from 'vitest'
import { intAttr, intsAttr, makeGraph, makeModel, makeNode, sizeOf, TensorData, tensorType, type Model } from '../ir/index.ts'
import { cloneModel } from '../passes/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Feeds } from '../session/index.ts'
import { equalize } from './equalize.ts'
import { quantizeModel } from './quantizeModel.ts'

/** conv, depthwise conv, conv, with the ranges of the channels spread by `spread` and undone by the next layer. */
function network(spread: number, clip = false): Model {
  const draw = random(8, 'equalize')
  let n = 0
  const normal = (dims: number[], deviation: number) =>
    Float32Array.from({ length: sizeOf(dims) }, () => deviation * draw.normal(n++))
  const factor = Array.from({ length: 16 }, (_, c) => spread ** ((c % 8) / 7 - 0.5))
  const [w1, b1, w2, w3] = [normal([16, 3, 3, 3], 0.3), normal([16], 0.1), normal([16, 1, 3, 3], 0.3), normal([4, 16, 1, 1], 0.3)]
  w1.forEach((v, i) => (w1[i] = v * factor[Math.floor(i / 27)]!))
  b1.forEach((v, i) => (b1[i] = v * factor[i]!))
  w2.forEach((v, i) => (w2[i] = v / factor[Math.floor(i / 9)]!))
  const graph = makeGraph('hostile')
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3, 8, 8]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 4, 8, 8]) }]
  graph.initializers = new Map([
    ['w1', TensorData.of('float32', [16, 3, 3, 3], w1)],
    ['b1', TensorData.of('float32', [16], b1)],
    ['w2', TensorData.of('float32', [16, 1, 3, 3], w2)],
    ['w3', TensorData.of('float32', [4, 16, 1, 1], w3)],
    ['zero', TensorData.scalar('float32', 0)],
    ['six', TensorData.scalar('float32', 6)],
  ])
  const pads = intsAttr([1, 1, 1, 1])
  graph.nodes = [
    makeNode('Conv', ['x', 'w1', 'b1'], ['c1'], { pads }, { name: 'first' }),
    clip ? makeNode('Clip', ['c1', 'zero', 'six'], ['r1']) : makeNode('Relu', ['c1'], ['r1']),
    makeNode('Conv', ['r1', 'w2'], ['c2'], { pads, group: intAttr(16) }, { name: 'depthwise' }),
    makeNode('Relu', ['c2'], ['r2']),
    makeNode('Conv', ['r2', 'w3'], ['y'], {}, { name: 'last' }),
  ]
  return makeModel(graph, 17)
}

const feeds = (seed: number): Feeds => {
  const data = new Float32Array(2 * 3 * 64)
  random(seed, 'x').fillNormal(data, 0, 1)
  return { x: Value.of('float32', [2, 3, 8, 8], data) }
}
async function* samples() {
  for (let k = 0; k < 6; k++) yield feeds(k)
}
const outputs = async (m: Model) => {
  const session = await createSession(m, { threads: 1 })
  try {
    return Array.from((await session.run(feeds(20))).y!.data as Float32Array)
  } finally {
    await session.release()
  }
}
const decibels = (p: readonly number[], q: readonly number[]) =>
  10 * Math.log10(p.reduce((s, v) => s + v * v, 0) / p.reduce((s, v, i) => s + (v - q[i]!) ** 2, 0))

describe('cross-layer equalization', () => {
  it('does not change what the float model computes', async () => {
    const float = network(1000)
    const copy = cloneModel(float)
    expect(equalize(copy.graph)).toBe(2)
    expect(decibels(await outputs(float), await outputs(copy))).toBeGreaterThan(100)
  })

  it('makes the ranges of both sides equal, channel by channel', () => {
    const { graph } = network(1000)
    equalize(graph)
    const [w1, w2] = ['w1', 'w2'].map((name) => graph.initializers.get(name)!.numbers())
    const range = (w: ArrayLike<number>, c: number, n: number) =>
      Math.max(...Array.from({ length: n }, (_, i) => Math.abs(w[c * n + i]!)))
    for (let c = 0; c < 16; c++) expect(range(w1!, c, 27) / range(w2!, c, 9)).toBeCloseTo(1, 2)
  })

  it('stops at a bound that a factor cannot pass', () => {
    expect(equalize(network(1000, true).graph)).toBe(1)
  })

  it('brings back what one scale for a tensor loses on hostile ranges', async () => {
    const float = network(1000)
    const expected = await outputs(float)
    const quality = async (o: { equalize: boolean; granularity: 'per-tensor' | 'per-channel' }) =>
      decibels(expected, await outputs((await quantizeModel(float, { samples, threads: 1, ...o })).model))
    const plain = await quality({ equalize: false, granularity: 'per-tensor' })
    const equal = await quality({ equalize: true, granularity: 'per-tensor' })
    expect(plain).toBeLessThan(20)
    expect(equal).toBeGreaterThan(plain + 8)
  })
})
