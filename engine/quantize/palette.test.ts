import { describe, expect, it } from 'vitest'
import { makeGraph, makeNode, TensorData } from '../ir/index.ts'
import { random } from '../random.ts'
import { analysePalettes, palette } from './palette.ts'

const run = (values: readonly number[], k: number) => {
  const sorted = Float64Array.from(values).sort()
  const sums = new Float64Array(sorted.length + 1)
  sorted.forEach((v, i) => (sums[i + 1] = sums[i]! + v))
  return palette(sorted, sums, k)
}

describe('palettes', () => {
  it('find values that lie in groups', () => {
    expect([...run([1, 1.2, 0.8, 5, 5.5, 4.5, -3, -3], 3)]).toEqual([-3, 1, 5])
  })

  it('halve the noise of evenly spread numbers by 6 dB a bit, and lose nothing where the values are few', () => {
    const data = new Float32Array(20_000)
    random(1, 'palette').fillUniform(data, -1, 1)
    const graph = makeGraph('palette')
    graph.initializers.set('w', TensorData.of('float32', [200, 100], data))
    graph.initializers.set(
      'few',
      TensorData.from(
        'float32',
        [32, 4],
        Array.from({ length: 128 }, (_, i) => (i % 4) - 1),
      ),
    )
    graph.nodes = [
      makeNode('MatMul', ['x', 'w'], ['y'], {}, { name: 'wide' }),
      makeNode('MatMul', ['z', 'few'], ['v'], {}, { name: 'few' }),
    ]
    const found = analysePalettes(graph, [2, 4])
    const of = (name: string, bits: number) => found.find((f) => f.name === name && f.bits === bits)!
    // k even steps over a uniform distribution: signal to noise k^2.
    expect(of('wide', 2).sqnr).toBeCloseTo(20 * Math.log10(4), 0)
    expect(of('wide', 4).sqnr).toBeCloseTo(20 * Math.log10(16), 0)
    expect(of('few', 2).sqnr).toBeNull()
    expect(of('wide', 4)).toMatchObject({ bytes: 20_000 / 2 + 64, before: 80_000 })
  })
})
