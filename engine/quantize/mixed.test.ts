import { describe, expect, it } from 'vitest'
import { intsAttr, makeGraph, makeModel, makeNode, sizeOf, TensorData, tensorType, type Model } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Feeds } from '../session/index.ts'
import { toHalfPrecision } from './half.ts'
import { frontierOf, quantizeMixed, type Trial } from './mixed.ts'

/** Four convolutions; the second has one huge weight on a channel that is always 0: it does nothing but make the layer's integers coarse. */
function network(): Model {
  const draw = random(9, 'mixed')
  let n = 0
  const normal = (dims: number[], deviation: number) =>
    Float32Array.from({ length: sizeOf(dims) }, () => deviation * draw.normal(n++))
  const graph = makeGraph('mixed')
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3, 8, 8]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 24, 8, 8]) }]
  const pads = intsAttr([1, 1, 1, 1])
  let value = 'x'
  for (let i = 0; i < 4; i++) {
    const dims = [24, i === 0 ? 3 : 24, 3, 3]
    const w = normal(dims, 0.1)
    if (i === 0) w.fill(0, 0, 27)
    if (i === 1) w[5] = 10
    graph.initializers.set(`w${i}`, TensorData.of('float32', dims, w))
    const out = i === 3 ? 'y' : `c${i}`
    graph.nodes.push(makeNode('Conv', [value, `w${i}`], [out], { pads }, { name: `conv${i}` }))
    if (i < 3) graph.nodes.push(makeNode('Relu', [out], [`r${i}`]))
    value = `r${i}`
  }
  return makeModel(graph, 17)
}

const feeds = (seed: number): Feeds => {
  const data = new Float32Array(2 * 3 * 64)
  random(seed, 'x').fillNormal(data, 0, 1)
  return { x: Value.of('float32', [2, 3, 8, 8], data) }
}
async function* samples() {
  for (let k = 0; k < 4; k++) yield feeds(k)
}

/** Relative squared error of the output, in place of a task metric. */
const judgeOf = async (float: Model) => {
  const run = async (m: Model) => {
    const session = await createSession(m, { threads: 1 })
    const y = (await session.run(feeds(30))).y!.data as Float32Array
    await session.release()
    return y
  }
  const expected = await run(float)
  return async (m: Model) => {
    const found = await run(m)
    const [noise, signal] = [expected.reduce((s, v, i) => s + (v - found[i]!) ** 2, 0), expected.reduce((s, v) => s + v * v, 0)]
    return noise / signal
  }
}

describe('mixed precision', () => {
  it('takes the layer that makes the noise out of the integers, and few others', async () => {
    const float = network()
    const judge = await judgeOf(float)
    const trials: Trial[] = []
    const o = { samples, threads: 1, granularity: 'per-tensor' as const, judge }
    const mixed = await quantizeMixed(float, { ...o, maxDrop: 2e-3, onTrial: (t) => trials.push(t) })
    expect(mixed.sensitivity[0]!.name).toBe('conv1')
    expect(trials[0]!.drop).toBeGreaterThan(2e-3)
    expect(await judge(mixed.model)).toBeLessThanOrEqual(2e-3)
    expect(mixed.layers.find((l) => l.name === 'conv1')!.precision).toBe('float16')
    expect(mixed.layers.filter((l) => l.precision === 'int8').length).toBeGreaterThanOrEqual(2)
    // A search that is told what was tried makes nothing again.
    const judged: number[] = []
    const again = await quantizeMixed(float, {
      ...o,
      maxDrop: 2e-3,
      known: { trials, sensitivity: mixed.sensitivity },
      judge: (m) => (judged.push(1), judge(m)),
    })
    expect(judged).toEqual([])
    expect(encodeModel(again.model)).toEqual(encodeModel(mixed.model))
  })

  it('stays with integers where they do no harm, and ends at half precision where nothing else does', async () => {
    const float = network()
    const judge = await judgeOf(float)
    const loose = await quantizeMixed(float, { samples, threads: 1, judge, maxDrop: 0.5 })
    expect(loose.trials.length).toBe(1)
    const strict = await quantizeMixed(float, { samples, threads: 1, judge, maxDrop: 0 })
    const half = await toHalfPrecision(float, { samples, threads: 1 })
    expect(strict.layers.map((l) => l.precision)).toEqual(half.layers.map((l) => l.precision))
  })

  it('keeps only trials that no other beats', () => {
    const trial = (bytes: number, drop: number): Trial => ({ half: [], bytes, drop })
    expect(frontierOf([trial(3, 0.1), trial(1, 0.5), trial(2, 0.5), trial(4, 0.2), trial(3, 0.3)])).toEqual([
      trial(1, 0.5),
      trial(3, 0.1),
    ])
  })
})
