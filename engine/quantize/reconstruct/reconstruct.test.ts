import { describe, expect, it } from 'vitest'
import { intsAttr, makeGraph, makeModel, makeNode, sizeOf, TensorData, tensorType, type Model } from '../../ir/index.ts'
import { random } from '../../random.ts'
import { createSession, Value, type Feeds } from '../../session/index.ts'
import { quantizeModel } from '../quantizeModel.ts'
import { quantizeWeights } from '../weightOnly.ts'
import { blockSegments, layerSegments } from './segments.ts'
import { hardLevels, nearestLevels, rectifiedNumber, startOf, valuesOf, type GridWeight } from './soft.ts'

/** Two residual blocks of convolutions with shared directions in their inputs, and a classifier. */
function network(): Model {
  const draw = random(4, 'reconstruct')
  let n = 0
  const normal = (dims: number[], deviation: number) =>
    TensorData.from(
      'float32',
      dims,
      Array.from({ length: sizeOf(dims) }, () => deviation * draw.normal(n++)),
    )
  const graph = makeGraph('residual')
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3, 6, 6]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 5]) }]
  const weight = (name: string, dims: number[], deviation: number) => (graph.initializers.set(name, normal(dims, deviation)), name)
  const pads = intsAttr([1, 1, 1, 1])
  const conv = (x: string, name: string, from: number, to: number) =>
    makeNode(
      'Conv',
      [x, weight(`${name}/w`, [to, from, 3, 3], Math.sqrt(2 / (9 * from))), weight(`${name}/b`, [to], 0.1)],
      [name],
      { pads },
      { name },
    )
  const nodes = [conv('x', 'stem', 3, 8), makeNode('Relu', ['stem'], ['h0'])]
  for (let i = 0; i < 2; i++)
    nodes.push(
      conv(`h${i}`, `a${i}`, 8, 8), makeNode('Relu', [`a${i}`], [`ar${i}`]), conv(`ar${i}`, `b${i}`, 8, 8),
      makeNode('Add', [`b${i}`, `h${i}`], [`s${i}`]), makeNode('Relu', [`s${i}`], [`h${i + 1}`]),
    ) // prettier-ignore
  nodes.push(makeNode('GlobalAveragePool', ['h2'], ['p']), makeNode('Flatten', ['p'], ['f']))
  nodes.push(makeNode('MatMul', ['f', weight('head/w', [8, 5], 0.5)], ['m'], {}, { name: 'head' }))
  nodes.push(makeNode('Add', ['m', weight('head/b', [5], 0.1)], ['y']))
  graph.nodes = nodes
  return makeModel(graph, 17)
}

const feeds = (seed: number): Feeds => {
  const data = new Float32Array(16 * 3 * 36)
  random(seed, 'x').fillNormal(data, 0, 1)
  // Neighbouring pixels and channels have much in common, as in images: that is what learned rounding can use.
  for (let i = 1; i < data.length; i++) data[i] = 0.9 * data[i - 1]! + 0.45 * data[i]!
  return { x: Value.of('float32', [16, 3, 6, 6], data) }
}
async function* samples() {
  for (let k = 0; k < 6; k++) yield feeds(k)
}
const outputs = async (m: Model) => {
  const session = await createSession(m, { threads: 1 })
  const y = Array.from((await session.run(feeds(30))).y!.data as Float32Array)
  await session.release()
  return y
}
const error = (p: readonly number[], q: readonly number[]) => p.reduce((s, v, i) => s + (v - q[i]!) ** 2, 0)

describe('segments', () => {
  const { graph } = network()
  const layers = new Set(graph.nodes.filter((n) => n.op === 'Conv' || n.op === 'MatMul'))
  it('are layers with what follows them', () => {
    const found = layerSegments(graph, layers)
    expect(found.map((s) => [s.layers[0]!.name, s.inputs.join(), s.output])).toEqual([
      ['stem', 'x', 'h0'], ['a0', 'h0', 'ar0'], ['b0', 'ar0', 'b0'], ['a1', 'h1', 'ar1'], ['b1', 'ar1', 'b1'], ['head', 'f', 'y'],
    ]) // prettier-ignore
  })
  it('are residual blocks', () => {
    const found = blockSegments(graph, layers)
    expect(found.map((s) => [s.layers.map((n) => n.name).join(), s.inputs.join(), s.output])).toEqual([
      ['stem', 'x', 'h0'], ['a0,b0', 'h0', 'h1'], ['a1,b1', 'h1', 'h2'], ['head', 'h2', 'y'],
    ]) // prettier-ignore
  })
})

describe('soft levels', () => {
  const grid: GridWeight = {
    name: 'w', dims: [4], low: 0, high: 15, values: Float32Array.from([-0.31, 0.02, 0.74, 2]), scale: new Float32Array(4).fill(0.1), zero: new Float32Array(4).fill(8),
  } // prettier-ignore
  it('start as the weight, and without learning end at the nearest level', () => {
    const start = startOf(grid)
    const soft = [...start].map((v, i) => (Math.floor(grid.values[i]! / 0.1 + 8) + rectifiedNumber(v) - 8) * 0.1)
    expect(soft[0]).toBeCloseTo(-0.31, 4)
    expect(soft[2]).toBeCloseTo(0.74, 4)
    expect(hardLevels(grid, start)).toEqual(nearestLevels(grid))
    expect(nearestLevels(grid)).toEqual(Float32Array.from([5, 8, 15, 15]))
    expect(Array.from(valuesOf(grid, nearestLevels(grid)).numbers())[3]).toBeCloseTo(0.7)
  })
  it('are bounded by 0 and 1 and reach both', () => {
    expect([rectifiedNumber(-20), rectifiedNumber(20)]).toEqual([0, 1])
    expect(rectifiedNumber(0)).toBeCloseTo(0.5, 12)
  })
})

describe('learned rounding', () => {
  it.each(['adaround', 'brecq'])('%s changes the output less than the nearest levels do', async (rounding) => {
    const float = network()
    const expected = await outputs(float)
    const make = async (r: string) =>
      outputs((await quantizeWeights(float, { bits: 4, block: 0, rounding: r, roundingSteps: 300, samples, threads: 1 })).model)
    const nearest = error(expected, await make('rtn'))
    const learned = error(expected, await make(rounding))
    expect(learned).toBeLessThan(nearest / 3)
  })

  it('serves static formats too', async () => {
    const float = network()
    const make = (rounding: string) =>
      quantizeModel(float, { scheme: 'int16', granularity: 'per-tensor', rounding, roundingSteps: 200, samples, threads: 1 })
    const [nearest, learned] = [await make('rtn'), await make('adaround')]
    const stem = (q: typeof nearest) => q.layers.find((l) => l.name === 'stem')!
    // The first layer's inputs are the same in both: what is left is its weights' rounding.
    expect(stem(learned).sqnr).toBeGreaterThan(stem(nearest).sqnr! + 2)
    expect(stem(learned).weightSqnr).toBeLessThan(stem(nearest).weightSqnr!)
    const levels = (q: typeof nearest) => q.model.graph.initializers.get('stem/weight/quantized')!.numbers()
    const [a, b] = [levels(nearest), levels(learned)]
    const moves = Array.from(a, (v, i) => Math.abs(v - b[i]!))
    expect(Math.max(...moves)).toBe(1)
    await expect(make('gptq')).rejects.toThrow(/weight-only/)
  })
})
