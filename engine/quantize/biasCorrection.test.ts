import { describe, expect, it } from 'vitest'
import { intAttr, makeGraph, makeModel, makeNode, sizeOf, TensorData, tensorType, type Model } from '../ir/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Feeds } from '../session/index.ts'
import { profileChannels } from './biasCorrection.ts'
import { quantizeModel } from './quantizeModel.ts'

/** A grouped convolution without padding and a product, on inputs whose channels have large means: rounding of weights then shifts outputs. */
function network(): Model {
  const draw = random(13, 'bias')
  let n = 0
  const graph = makeGraph('bias')
  const weight = (name: string, dims: number[]) => {
    graph.initializers.set(name, TensorData.from('float32', dims, Array.from({ length: sizeOf(dims) }, () => 0.3 * draw.normal(n++)))) // prettier-ignore
    return name
  }
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 4, 6, 6]) }]
  graph.outputs = [
    { name: 'c', type: tensorType('float32', ['n', 6, 4, 4]) },
    { name: 'y', type: tensorType('float32', ['n', 5]) },
  ]
  graph.nodes = [
    makeNode('Conv', ['x', weight('w0', [6, 2, 3, 3])], ['c'], { group: intAttr(2) }, { name: 'grouped' }),
    makeNode('Flatten', ['c'], ['f']),
    makeNode('Gemm', ['f', weight('w1', [5, 96])], ['y'], { transB: intAttr(1) }, { name: 'last' }),
  ]
  return makeModel(graph, 17)
}
const feeds = (seed: number): Feeds => {
  const data = new Float32Array(16 * 4 * 36)
  random(seed, 'x').fillNormal(data, 0, 1)
  data.forEach((v, i) => (data[i] = v + 5 * ((Math.floor(i / 36) % 4) - 1)))
  return { x: Value.of('float32', [16, 4, 6, 6], data) }
}
async function* samples() {
  for (let k = 0; k < 8; k++) yield feeds(k)
}
/** Mean of each channel of an output over the samples. */
async function means(m: Model, name: 'c' | 'y'): Promise<number[]> {
  const session = await createSession(m, { threads: 1 })
  const [channels, inner] = name === 'c' ? [6, 16] : [5, 1]
  const sums = new Array<number>(channels).fill(0)
  let count = 0
  for await (const x of samples()) {
    const v = (await session.run(x))[name]!.data as Float32Array
    v.forEach((value, i) => (sums[Math.floor(i / inner) % channels]! += value))
    count += v.length / channels
  }
  await session.release()
  return sums.map((s) => s / count)
}
const distance = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))

describe('bias correction', () => {
  it('brings the mean of each channel back that rounding of weights moved', async () => {
    const float = network()
    const quantize = async (biasCorrection: boolean) =>
      (await quantizeModel(float, { samples, threads: 1, granularity: 'per-tensor', reduceRange: true, scheme: 'int16', biasCorrection })).model // prettier-ignore
    const [plain, corrected] = [await quantize(false), await quantize(true)]
    for (const name of ['c', 'y'] as const) {
      const expected = await means(float, name)
      const [before, after] = [distance(expected, await means(plain, name)), distance(expected, await means(corrected, name))]
      expect(after).toBeLessThan(before / 5)
    }
  })

  it('measures means and largest magnitudes by channel', async () => {
    const value = Value.of('float32', [2, 2, 1, 2], Float32Array.from([1, -3, 10, 20, 5, 1, -50, 0]))
    const graph = makeGraph('profile')
    graph.inputs = [{ name: 'x', type: tensorType('float32', [2, 2, 1, 2]) }]
    graph.outputs = [{ name: 'y', type: tensorType('float32', [2, 2, 1, 2]) }]
    graph.nodes = [makeNode('Neg', ['x'], ['y'])]
    const one = async function* () {
      await Promise.resolve()
      yield { x: value }
    }
    const found = await profileChannels(makeModel(graph, 17), new Map([['x', 1], ['y', -1]]), one) // prettier-ignore
    expect([...found.get('x')!.mean]).toEqual([1, -5])
    expect([...found.get('x')!.largest]).toEqual([5, 50])
    expect([...found.get('y')!.mean]).toEqual([8.5, -4.5])
    expect([...found.get('y')!.largest]).toEqual([50, 20])
  })
})
