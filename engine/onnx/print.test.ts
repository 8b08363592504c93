import { expect, it } from 'vitest'
import { modelOf, onnxFiles, real, value } from '../../tests/onnxModels.ts'
import { floatAttr, intsAttr, makeGraph, makeNode, stringAttr, TensorData, tensorType } from '../ir/index.ts'
import { printModel, readModelSync } from './index.ts'

it('prints a model, one line a node', () => {
  const body = { ...makeGraph('then'), nodes: [makeNode('Neg', ['h'], ['t'])], outputs: [value('t', ['N', 3])] }
  const model = modelOf(
    [
      makeNode('Gemm', ['x', 'w', ''], ['h'], { alpha: floatAttr(0.1), note: stringAttr('hi') }, { name: 'fc' }),
      makeNode('If', ['c'], ['y'], { then_branch: { type: 'graph', value: body } }),
      makeNode('Foo', ['y'], ['z', ''], { k: intsAttr([1, 2]) }, { domain: 'my' }),
    ],
    {
      inputs: [value('x', ['N', 2])],
      outputs: ['z'],
      initializers: {
        w: TensorData.from('float32', [2, 3], [1, 2.5, -3, 0, 1e-7, 6]),
        c: TensorData.from('bool', [], [1]),
        // Too large to show: its data is not asked for.
        big: new TensorData('float32', [64, 64], () => expect.fail('touched')),
      },
    },
  )
  model.graph.values.set('h', { name: 'h', type: tensorType('float32', ['N', 3]) })
  expect(printModel(model)).toBe(`<
  ir_version: 8,
  opset_import: ["" : 17],
  producer_name: "stillroom"
>
test (float32[N, 2] x) => (? z)
<
  float32[2, 3] w = {1, 2.5, -3, 0, 1e-7, 6}
  bool[] c = {1}
  float32[64, 64] big = {...}
>
{
  [fc] float32[N, 3] h = Gemm <alpha = 0.1, note = "hi"> (x, w, "")
  y = If (c)
    then_branch =
      then () => (float32[N, 3] t)
      {
        t = Neg (h)
      }
  z, "" = my.Foo <k = [1, 2]> (y)
}
`)
})

it.skipIf(!real)('names every node of the real models', () => {
  for (const file of onnxFiles(real!)) {
    const model = readModelSync(file)
    const text = printModel(model)
    for (const node of model.graph.nodes) expect(text).toContain(` = ${node.domain ? `${node.domain}.` : ''}${node.op} `)
  }
})
