import { describe, expect, it } from 'vitest'
import { modelOf, noise, run, value } from '../../tests/onnxModels.ts'
import { assertValid, floatAttr, intsAttr, makeGraph, makeNode, TensorData, type Attribute, type Model } from '../ir/index.ts'
import { inlineFunctions, upgradeOpset } from './index.ts'

describe('functions', () => {
  /** `y = F(x; alpha) = LeakyRelu(ReduceSum over axis 1 (x))`, with a subgraph and an inner call. */
  const model = (opset: number): Model => {
    const call = (inputs: string[], outputs: string[], alpha?: number) =>
      makeNode('F', inputs, outputs, alpha === undefined ? {} : { alpha: floatAttr(alpha) }, { domain: 'd' })
    const branch = (op: string): Attribute => ({
      type: 'graph',
      value: { ...makeGraph(op), nodes: [makeNode(op, ['s'], ['r'])], outputs: [{ name: 'r', type: undefined }] },
    })
    const m = modelOf([call(['x'], ['h']), call(['h'], ['y'], 0.5)], { inputs: [value('x', [2, 3])], outputs: ['y', 'h'] }, opset)
    m.opsets.set('d', 1)
    const opsets = new Map([
      ['', opset],
      ['d', 1],
    ])
    const shared = { domain: 'd', overload: '', doc: '', opsets }
    m.functions = [
      {
        ...shared,
        name: 'F',
        inputs: ['a'],
        outputs: ['b'],
        attributes: [],
        defaults: new Map([['alpha', floatAttr(0.1)]]),
        nodes: [
          makeNode('G', ['a'], ['s'], { axes: intsAttr([1]) }, { domain: 'd' }),
          makeNode('Constant', [], ['yes'], { value: { type: 'tensor', value: TensorData.from('bool', [], [1]) } }),
          makeNode('If', ['yes'], ['t'], { then_branch: branch('Neg'), else_branch: branch('Abs') }),
          makeNode('LeakyRelu', ['t'], ['b'], { alpha: { type: 'ref', value: 'alpha', of: 'float' } }),
        ],
      },
      {
        ...shared,
        name: 'G',
        inputs: ['a'],
        outputs: ['b'],
        attributes: ['axes'],
        defaults: new Map(),
        nodes: [makeNode('ReduceSum', ['a'], ['b'], { axes: { type: 'ref', value: 'axes', of: 'ints' } })],
      },
    ]
    return m
  }

  it('are upgraded and inlined to the same outputs', async () => {
    const feeds = { x: noise('float32', [2, 3]) }
    const rows = [0, 1].map((r) => [0, 1, 2].reduce((sum, c) => sum + (feeds.x.data[r * 3 + c] as number), 0))
    const leaky = (v: number, alpha: number) => (v >= 0 ? v : alpha * v)
    const h = rows.map((s) => leaky(-s, 0.1))
    const y = h.map((v) => leaky(-v, 0.5))
    const after = upgradeOpset(model(11)).model
    const flat = inlineFunctions(after)
    assertValid(flat)
    expect(flat.functions).toEqual([])
    for (const found of [await run(after, feeds), await run(flat, feeds)]) {
      Array.from(found['h']!.data as Float32Array).forEach((v, i) => expect(v).toBeCloseTo(h[i]!, 5))
      Array.from(found['y']!.data as Float32Array).forEach((v, i) => expect(v).toBeCloseTo(y[i]!, 5))
    }
  })

  it('that call themselves or explode are refused', () => {
    const m = model(17)
    m.functions[1]!.nodes = [makeNode('F', ['a'], ['b'], {}, { domain: 'd' })]
    expect(() => inlineFunctions(m)).toThrow(/calls itself/)
    const bomb = model(17)
    bomb.functions = Array.from({ length: 40 }, (_, i) => ({
      ...bomb.functions[0]!,
      name: i === 0 ? 'F' : `F${i}`,
      nodes: [makeNode(`F${i + 1}`, ['a'], ['m'], {}, { domain: 'd' }), makeNode(`F${i + 1}`, ['m'], ['b'], {}, { domain: 'd' })],
    }))
    expect(() => inlineFunctions(bomb)).toThrow(/more than 1000000 nodes/)
  })
})
