import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { makeGraph, makeModel, makeNode, tensorType, type Attribute, type DataType } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { newBuilder } from './index.ts'

/** Attention of opset 24 as ONNX Runtime runs it, against the node of opset 23 that its rule writes it as. */

interface Feed {
  dtype: DataType
  dims: readonly number[]
  data: Float32Array | BigInt64Array | Uint8Array
}
const floats = (dims: readonly number[], seed: number): Feed => {
  const data = Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(5 * i + seed))
  return { dtype: 'float32', dims, data }
}
const valid = (...n: number[]): Feed => ({ dtype: 'int64', dims: [n.length], data: BigInt64Array.from(n, BigInt) })
const seen = (dims: readonly number[]): Feed => ({
  dtype: 'bool',
  dims,
  data: Uint8Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => (i % 3 === 1 ? 0 : 1)),
})
const int = (value: number): Attribute => ({ type: 'int', value: BigInt(value) }) as never

const operands = [floats([2, 4, 3, 2], 0), floats([2, 2, 5, 2], 1), floats([2, 2, 5, 2], 2)]
const CASES: Record<string, { x: (Feed | undefined)[]; causal: number }> = {
  padding: { x: [...operands, undefined, undefined, undefined, valid(5, 3)], causal: 0 },
  'padding, causal': { x: [...operands, undefined, undefined, undefined, valid(4, 3)], causal: 1 },
  'padding before the first row': { x: [...operands, undefined, undefined, undefined, valid(4, 1)], causal: 1 },
  'padding, float mask': { x: [...operands, floats([2, 1, 3, 5], 3), undefined, undefined, valid(5, 3)], causal: 1 },
  'boolean mask, padding': { x: [...operands, seen([3, 5]), undefined, undefined, valid(4, 3)], causal: 0 },
}

describe('Attention-24', () => {
  it.each(Object.entries(CASES))('%s', async (_, { x, causal }) => {
    const names = x.map((t, i) => (t ? `x${i}` : ''))
    const node = makeNode('Attention', names, ['y'], { is_causal: int(causal) }, { domain: '', name: 'attention' })
    const graph = makeGraph('main')
    graph.inputs = x.flatMap((t, i) => (t ? [{ name: names[i]!, type: tensorType(t.dtype, t.dims) }] : []))
    graph.outputs = [{ name: 'y', type: tensorType('float32') }]
    graph.nodes = [node]
    const b = newBuilder()
    const y = b.emitNode(
      node,
      x.map((t, i) => t && b.input(names[i]!, t.dtype, t.dims)),
    )[0]!
    const feeds = Object.fromEntries(
      x.flatMap((t, i) => (t ? [[names[i]!, new OrtTensor(t.dtype as 'float32', t.data as Float32Array, t.dims)]] : [])),
    )
    const [expected, found] = await Promise.all(
      [makeModel(graph, 24), b.model({ y })].map(async (model) => {
        const session = await InferenceSession.create(encodeModel(model), { logSeverityLevel: 3, intraOpNumThreads: 1 })
        return Array.from((await session.run(feeds)).y!.data as Float32Array)
      }),
    )
    expect(found!.length).toBe(expected!.length)
    expected!.forEach((e, i) => expect(found![i]).toBeCloseTo(e, 5))
  })
})
