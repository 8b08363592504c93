import { describe, expect, it } from 'vitest'
import { makeGraph, tensorType, type Dim } from '../ir/index.ts'
import { bindInputs, feedsOf, takesOneSample } from './index.ts'

const graphOf = (inputs: Record<string, Dim[]>) => {
  const graph = makeGraph('bound')
  graph.inputs = Object.entries(inputs).map(([name, dims]) => ({ name, type: tensorType('float32', dims) }))
  return graph
}
const batch = (name: string, ...shape: number[]) => ({
  name,
  shape,
  values: Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => i),
})

describe('a model whose inputs have no axis for the batch', () => {
  const graph = graphOf({ sound: ['time', 1], state: [2, 1, 4], rate: [] })
  const data = [batch('sound', 1, 8, 1), batch('state', 1, 2, 1, 4), batch('rate', 1)]

  it('takes one sample at a time, whole', () => {
    expect(takesOneSample(graph, data)).toBe(true)
    const feeds = feedsOf(bindInputs(graph, data), data)
    expect(Object.fromEntries(Object.entries(feeds).map(([name, v]) => [name, v.dims]))).toEqual({
      sound: [8, 1],
      state: [2, 1, 4],
      rate: [],
    })
  })

  it('refuses several, and says what to do', () => {
    const several = [batch('sound', 3, 8, 1), batch('state', 3, 2, 1, 4), batch('rate', 3)]
    expect(() => feedsOf(bindInputs(graph, several), several)).toThrow(/takes one sample at a time, and the batch has 3/)
  })

  it('is told from one that leads with the batch, and from one that takes other shapes', () => {
    expect(takesOneSample(graphOf({ x: ['n', 3, 8, 8] }), [batch('x', 1, 3, 8, 8)])).toBe(false)
    expect(takesOneSample(graphOf({ x: ['n', 784] }), [batch('x', 1, 28, 28)])).toBe(false)
  })
})
