import { describe, expect, it } from 'vitest'
import { makeGraph, makeModel, makeNode, sizeOf, TensorData, tensorType, type Model } from '../ir/index.ts'
import { random } from '../random.ts'
import { createSession, Value, type Feeds } from '../session/index.ts'
import { quantizeModel } from './quantizeModel.ts'

const draw = random(5, 'kept')
let drawn = 0
const normal = (dims: number[]) =>
  TensorData.of(
    'float32',
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => 0.3 * draw.normal(drawn++)),
  )

/** Three convolutions; the second has one weight that is so large that 8 bits leave nothing of the others. */
function network(): Model {
  const graph = makeGraph('three')
  graph.inputs = [{ name: 'x', type: tensorType('float32', [1, 3, 8, 8]) }]
  graph.outputs = [{ name: 'c3', type: tensorType('float32', [1, 4, 8, 8]) }]
  const large = normal([8, 8, 1, 1])
  const values = large.data as Float32Array
  values[0] = 500
  for (let i = 8; i < 64; i += 8) values[i] = 0
  graph.initializers = new Map([
    ['w1', normal([8, 3, 1, 1])], ['b1', normal([8])], ['w2', large], ['b2', normal([8])], ['w3', normal([4, 8, 1, 1])], ['b3', normal([4])],
  ]) // prettier-ignore
  graph.nodes = [
    makeNode('Conv', ['x', 'w1', 'b1'], ['c1'], {}, { name: 'first' }),
    makeNode('Relu', ['c1'], ['r1']),
    makeNode('Conv', ['r1', 'w2', 'b2'], ['c2'], {}, { name: 'second' }),
    makeNode('Relu', ['c2'], ['r2']),
    makeNode('Conv', ['r2', 'w3', 'b3'], ['c3'], {}, { name: 'third' }),
  ]
  return makeModel(graph, 17)
}

async function* samples(): AsyncGenerator<Feeds> {
  const noise = random(9, 'pictures')
  for (let i = 0; i < 8; i++) {
    const x = Float32Array.from({ length: 192 }, (_, k) => noise.normal(192 * i + k))
    yield await Promise.resolve({ x: Value.of('float32', [1, 3, 8, 8], x) })
  }
}

describe('an excluded layer', () => {
  it('stays in float in ONNX Runtime, between integer layers', async () => {
    const { model } = await quantizeModel(network(), { samples, exclude: ['second'], threads: 1 })
    const profiled = await createSession(model, { threads: 1, profile: true })
    const plain = await createSession(model, { threads: 1, level: 'disabled' })
    for await (const feeds of samples()) {
      const [fused, written] = [(await profiled.run(feeds))['c3']!.numbers(), (await plain.run(feeds))['c3']!.numbers()]
      // What the file says is what its kernels compute, but for roundings that fall the other way.
      const step = [...written].reduce((m, v) => Math.max(m, Math.abs(v)), 0) / 100
      ;[...fused].forEach((v, i) => expect(Math.abs(v - written[i]!)).toBeLessThan(step))
    }
    const ops = profiled.profile().map((t) => t.op)
    expect(ops.filter((op) => op === 'QLinearConv')).toHaveLength(2)
    expect(ops.filter((op) => /Conv$/.test(op) && op !== 'QLinearConv')).toHaveLength(1)
    for (const session of [profiled, plain]) await session.release()
  })
})
