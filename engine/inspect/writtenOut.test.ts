import { describe, expect, it } from 'vitest'
import { modelOf, value } from '../../tests/onnxModels.ts'
import { makeGraph, makeNode, TensorData, type Model } from '../ir/index.ts'
import type { TensorType } from '../ops/index.ts'
import { missingGradients } from './trainable.ts'

/** A loop around one operator on a weight; the trip count is a constant or an input. */
function loopAround(op: string, trips: 'known' | 'fed'): { model: Model; types: Map<string, TensorType> } {
  const body = makeGraph('body')
  body.inputs = [value('i', [], 'int64'), value('go', [], 'bool'), value('s', [2, 2])]
  body.nodes = [
    makeNode('Identity', ['go'], ['on']),
    makeNode('Mul', ['s', 'w'], ['p']),
    makeNode(op, ['p'], ['q']),
    makeNode('Mul', ['p', 'q'], ['next']),
  ]
  body.outputs = [value('on', [], 'bool'), value('next', [2, 2])]
  const count = trips === 'fed' ? [value('n', [], 'int64')] : []
  const model = modelOf([makeNode('Loop', ['n', '', 'x'], ['y'], { body: { type: 'graph', value: body } }, { name: 'rounds' })], {
    inputs: [value('x', [2, 2]), ...count],
    outputs: ['y'],
    initializers: {
      w: TensorData.from('float32', [2, 2], [1, 2, 3, 4]),
      ...(trips === 'known' ? { n: TensorData.scalar('int64', 3) } : {}),
    },
  })
  const square: TensorType = { dtype: 'float32', shape: [2, 2] }
  const types = new Map<string, TensorType>([
    ['x', square],
    ['y', square],
    ['n', { dtype: 'int64', shape: [] }],
  ])
  return { model, types }
}

describe('gradients through control flow', () => {
  it('are there where the loop can be written out', () => {
    const { model, types } = loopAround('Tanh', 'known')
    expect(missingGradients(model, types)).toEqual([])
  })

  it('stop at a loop of unknown length, with the reason', () => {
    const { model, types } = loopAround('Tanh', 'fed')
    expect(missingGradients(model, types)).toEqual([
      { node: 'rounds', op: 'Loop', reason: `its trip count ('n') is computed at run time` },
    ])
  })

  it('stop at an operator inside of a loop that no rule knows', () => {
    const { model, types } = loopAround('NoSuchOperator', 'known')
    const [only, ...more] = missingGradients(model, types)
    expect(more).toEqual([])
    expect(only).toMatchObject({ node: 'rounds', op: 'Loop' })
    expect(only!.reason).toMatch(/operator NoSuchOperator has no rule/)
  })
})
