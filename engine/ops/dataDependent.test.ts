import { describe, expect, it } from 'vitest'
import { gradients } from '../autodiff/index.ts'
import { makeNode } from '../ir/index.ts'
import { newBuilder, type Tensor } from './index.ts'

describe('operators whose shapes depend on data', () => {
  const boxes = (types?: Parameters<ReturnType<typeof newBuilder>['emitNode']>[2]): { x: Tensor; y: Tensor } => {
    const b = newBuilder()
    const x = b.input('x', 'float32', [2, 3])
    const node = makeNode('Compress', ['x', 'keep'], ['y'], {}, { domain: '', name: 'pick' })
    return { x, y: b.emitNode(node, [x, b.input('keep', 'bool', [6])], types)[0]! }
  }

  it('need a constant, or a run that told the types', () => {
    expect(() => boxes()).toThrow(/condition \(input 1\) must be a constant/)
    expect(boxes([{ dtype: 'float32', shape: [4] }]).y.shape).toEqual([4])
  })

  it('name the reason where a gradient is asked', () => {
    const { x, y } = boxes([{ dtype: 'float32', shape: [4] }])
    expect(() => gradients(y.sum(), [x])).toThrow(/no gradient for Compress: how many elements it keeps depends on the data/)
  })
})
