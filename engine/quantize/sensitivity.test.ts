import { describe, expect, it } from 'vitest'
import { intsAttr, makeGraph, makeModel, makeNode, sizeOf, TensorData, tensorType, type Model } from '../ir/index.ts'
import { cloneModel } from '../passes/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Feeds } from '../session/index.ts'
import { curvature } from './curvature.ts'
import { quantizeModel } from './quantizeModel.ts'
import { rankLayers, sensitivityMethods, type SensitivityMethod } from './sensitivity.ts'

/** Three layers; the second has a weight that makes its integers coarse. */
function network(): Model {
  const draw = random(21, 'sensitivity')
  let n = 0
  const graph = makeGraph('sensitivity')
  const weight = (name: string, dims: number[]) => {
    const values = Array.from({ length: sizeOf(dims) }, () => 0.3 * draw.normal(n++))
    if (name === 'w1') values[0] = 12
    graph.initializers.set(name, TensorData.from('float32', dims, values))
    return name
  }
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3, 6, 6]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 5]) }]
  const pads = intsAttr([1, 1, 1, 1])
  graph.nodes = [
    makeNode('Conv', ['x', weight('w0', [8, 3, 3, 3])], ['c0'], { pads }, { name: 'conv0' }),
    makeNode('Relu', ['c0'], ['r0']),
    makeNode('Conv', ['r0', weight('w1', [8, 8, 3, 3])], ['c1'], { pads }, { name: 'conv1' }),
    makeNode('Relu', ['c1'], ['r1']),
    makeNode('GlobalAveragePool', ['r1'], ['g']),
    makeNode('Flatten', ['g'], ['f']),
    makeNode('MatMul', ['f', weight('w2', [8, 5])], ['y'], {}, { name: 'head' }),
  ]
  return makeModel(graph, 17)
}
const feeds = (seed: number): Feeds => {
  const data = new Float32Array(8 * 3 * 36)
  random(seed, 'x').fillNormal(data, 0, 1)
  return { x: Value.of('float32', [8, 3, 6, 6], data) }
}
async function* samples() {
  for (let k = 0; k < 4; k++) yield feeds(k)
}

/** KL divergence of a model's answers from the float model's, mean over the samples, in nats. */
async function divergence(float: Model, other: Model): Promise<number> {
  const [a, b] = [await createSession(float, { threads: 1 }), await createSession(other, { threads: 1 })]
  const soft = (row: Float32Array) => {
    const e = [...row].map((v) => Math.exp(v - Math.max(...row)))
    return e.map((v) => v / e.reduce((s, w) => s + w, 0))
  }
  let [sum, count] = [0, 0]
  for await (const x of samples()) {
    const [p, q] = [(await a.run(x)).y!.data as Float32Array, (await b.run(x)).y!.data as Float32Array]
    for (let i = 0; i < p.length; i += 5) {
      const [s, t] = [soft(p.subarray(i, i + 5)), soft(q.subarray(i, i + 5))]
      sum += s.reduce((n, v, c) => n + v * Math.log(v / t[c]!), 0)
      count++
    }
  }
  await a.release()
  await b.release()
  return sum / count
}

describe('sensitivity', () => {
  it.each([...sensitivityMethods])('%s finds the coarse layer', async (method: SensitivityMethod) => {
    const float = network()
    const make = (exclude: readonly string[]) => quantizeModel(float, { samples, threads: 1, granularity: 'per-tensor', exclude })
    const found = await rankLayers(float, await make([]), {
      method,
      samples,
      threads: 1,
      integer: async (exclude) => (await make(exclude)).model,
      onFound: () => undefined,
    })
    expect(found.map((f) => f.name)).toHaveLength(3)
    expect(found[0]!.name).toBe('conv1')
    expect(found[0]!.harm).toBeGreaterThan(found[1]!.harm!)
  })

  it('by second order is the divergence that the rounding of one weight makes', async () => {
    const float = network()
    const all = await quantizeModel(float, { samples, threads: 1, granularity: 'per-tensor' })
    const found = await curvature(float, all, samples, { threads: 1 })
    for (const [name, initializer] of [
      ['conv0', 'w0'],
      ['head', 'w2'],
    ] as const) {
      // prettier-ignore
      const levels = all.model.graph.initializers.get(`${name}/weight/quantized`)!.numbers()
      const scale = all.model.graph.initializers.get(`${name}/weight/scale`)!.numbers()[0]!
      const rounded = cloneModel(float)
      const old = float.graph.initializers.get(initializer)!
      rounded.graph.initializers.set(
        initializer,
        TensorData.from(
          'float32',
          old.dims,
          Array.from(levels, (v) => v * scale),
        ),
      )
      const real = await divergence(float, rounded)
      expect(found.get(name)! / real).toBeGreaterThan(0.7)
      expect(found.get(name)! / real).toBeLessThan(1.4)
    }
  })
})
