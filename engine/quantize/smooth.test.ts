import { describe, expect, it } from 'vitest'
import { intAttr, makeGraph, makeModel, makeNode, TensorData, tensorType, type Model } from '../ir/index.ts'
import { cloneModel } from '../passes/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Feeds } from '../session/index.ts'
import { quantizeModel } from './quantizeModel.ts'
import { smoothActivations } from './smooth.ts'

const WIDE = 3

/** Layer norm with one loud column, two products that read it, a rectified product behind one of them: the places where smoothing can act. */
function network(): Model {
  const draw = random(12, 'smooth')
  let n = 0
  const graph = makeGraph('smooth')
  const weight = (name: string, dims: [number, number?], deviation: number, loud = 1) => {
    const values = Array.from(
      { length: dims[0] * (dims[1] ?? 1) },
      (_, i) => (Math.floor(i / (dims[1] ?? 1)) === WIDE ? loud : 1) * deviation * draw.normal(n++),
    )
    graph.initializers.set(name, TensorData.from('float32', dims as number[], values))
    return name
  }
  graph.initializers.set(
    'gamma',
    TensorData.from(
      'float32',
      [16],
      Array.from({ length: 16 }, (_, i) => (i === WIDE ? 60 : 1)),
    ),
  )
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 5, 16]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 5, 8]) }]
  graph.nodes = [
    makeNode('LayerNormalization', ['x', 'gamma', weight('beta', [16], 0.2)], ['h'], { axis: intAttr(-1) }),
    makeNode('MatMul', ['h', weight('w1', [16, 12], 0.3, 1 / 60)], ['m1'], {}, { name: 'first' }),
    makeNode('Add', ['m1', weight('b1', [12], 0.1)], ['a1']),
    makeNode('Relu', ['a1'], ['r1']),
    makeNode('MatMul', ['r1', weight('w2', [12, 8], 0.3)], ['m2'], {}, { name: 'second' }),
    makeNode('MatMul', ['h', weight('w3', [16, 8], 0.3, 1 / 60)], ['m3'], {}, { name: 'beside' }),
    makeNode('Add', ['m2', 'm3'], ['y']),
  ]
  return makeModel(graph, 17)
}
const feeds = (seed: number): Feeds => {
  const data = new Float32Array(8 * 5 * 16)
  random(seed, 'x').fillNormal(data, 0, 1)
  return { x: Value.of('float32', [8, 5, 16], data) }
}
async function* samples() {
  for (let k = 0; k < 4; k++) yield feeds(k)
}
const outputs = async (m: Model) => {
  const session = await createSession(m, { threads: 1 })
  const y = Array.from((await session.run(feeds(20))).y!.data as Float32Array)
  await session.release()
  return y
}
const decibels = (p: readonly number[], q: readonly number[]) =>
  10 * Math.log10(p.reduce((s, v) => s + v * v, 0) / p.reduce((s, v, i) => s + (v - q[i]!) ** 2, 0))

describe('SmoothQuant', () => {
  it('does not change what the float model computes, and says what it divided', async () => {
    const float = network()
    const copy = cloneModel(float)
    expect(await smoothActivations(copy, 0.5, samples)).toEqual(['h', 'r1'])
    expect(decibels(await outputs(float), await outputs(copy))).toBeGreaterThan(100)
    expect(copy.graph.nodes.length).toBe(float.graph.nodes.length)
  })

  it('divides a column by max|x|^a / max|w|^(1 - a): equation 4', async () => {
    const float = network()
    const copy = cloneModel(float)
    await smoothActivations(copy, 0.5, samples)
    let largest = 0
    for await (const x of samples()) {
      const session = await createSession({ ...float, graph: { ...float.graph, outputs: [{ name: 'h', type: tensorType('float32') }] } }, { threads: 1 }) // prettier-ignore
      const h = (await session.run(x)).h!.data as Float32Array
      await session.release()
      for (let i = WIDE; i < h.length; i += 16) largest = Math.max(largest, Math.abs(h[i]!))
    }
    const row = (name: string, columns: number) => Array.from(float.graph.initializers.get(name)!.numbers()).slice(WIDE * columns, (WIDE + 1) * columns) // prettier-ignore
    const widest = Math.max(...[...row('w1', 12), ...row('w3', 8)].map(Math.abs))
    const s = float.graph.initializers.get('gamma')!.numbers()[WIDE]! / copy.graph.initializers.get('gamma')!.numbers()[WIDE]!
    expect(s).toBeCloseTo(Math.sqrt(largest / widest), 4)
  })

  it('lowers the noise of integers where one column is loud', async () => {
    const float = network()
    const expected = await outputs(float)
    const quality = async (smooth: number | undefined) => decibels(expected, await outputs((await quantizeModel(float, { samples, threads: 1, smooth })).model)) // prettier-ignore
    expect(await quality(0.5)).toBeGreaterThan((await quality(undefined)) + 3)
  })

  it('leaves a value alone that something else reads, and says so', async () => {
    const float = network()
    float.graph.outputs.push({ name: 'h', type: tensorType('float32') })
    float.graph.outputs.push({ name: 'a1', type: tensorType('float32') })
    const { warnings } = await quantizeModel(float, { samples, threads: 1, smooth: 0.5 })
    expect(warnings.join()).toMatch('no linear layer follows')
  })
})
