import { describe, expect, it } from 'vitest'
import { makeGraph, makeNode, tensorType, TensorData, type Node } from '../ir/index.ts'
import { random } from '../random.ts'
import { rolesOf } from './index.ts'
import { isSinusoidal } from './tables.ts'

const table = (rows: number, columns: number, at: (row: number, column: number) => number) =>
  TensorData.from(
    'float32',
    [rows, columns],
    Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns)),
  )
const normal = (...dims: number[]) =>
  TensorData.of('float32', dims, random(1, 'w', ...dims).fillNormal(new Float32Array(dims.reduce((n, d) => n * d, 1))))

/** Su et al. 2021, RoFormer: angle p 10000^(-2i/d). */
const angle = (p: number, i: number, d: number) => p * 10_000 ** ((-2 * i) / d)

describe('tables of sines and cosines', () => {
  it('are rotary angles, positions of a transformer and a windowed Fourier basis', () => {
    expect(isSinusoidal(table(64, 32, (p, i) => Math.cos(angle(p, i, 64))))).toBe(true)
    expect(isSinusoidal(table(64, 32, (p, i) => Math.sin(angle(p, i, 64))))).toBe(true)
    // Vaswani et al. 2017: sines in even columns, cosines in odd ones.
    const position = (p: number, i: number) => (i % 2 ? Math.cos : Math.sin)(angle(p, Math.floor(i / 2), 64))
    expect(isSinusoidal(table(128, 64, position))).toBe(true)
    const hann = (n: number) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / 256)
    const basis = (k: number, n: number) => hann(n) * (k < 129 ? Math.cos : Math.sin)((2 * Math.PI * (k % 129) * n) / 256)
    expect(isSinusoidal(table(258, 256, basis))).toBe(true)
  })

  it('are not learned weights, ones, zeros or ramps', () => {
    expect(isSinusoidal(normal(64, 32))).toBe(false)
    expect(isSinusoidal(table(64, 32, () => 1))).toBe(false)
    expect(isSinusoidal(table(64, 32, () => 0))).toBe(false)
    expect(isSinusoidal(table(64, 32, (p, i) => p + i))).toBe(false)
    const almost = table(64, 32, (p, i) => Math.cos(angle(p, i, 64)))
    const learned = normal(64, 32).numbers()
    expect(isSinusoidal(table(64, 32, (p, i) => almost.numbers()[p * 32 + i]! + 0.05 * learned[p * 32 + i]!))).toBe(false)
  })
})

describe('roles', () => {
  const of = (nodes: Node[], weights: Record<string, TensorData>) => {
    const graph = makeGraph('roles')
    graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3]) }]
    graph.nodes = nodes
    for (const [name, data] of Object.entries(weights)) graph.initializers.set(name, data)
    return rolesOf(graph).parameters
  }

  it('leave out what scales the input, and what masks scores', () => {
    const found = of(
      [
        makeNode('Sub', ['x', 'mean'], ['a']),
        makeNode('Cast', ['a'], ['b']),
        makeNode('Div', ['b', 'std'], ['c']),
        makeNode('MatMul', ['c', 'w'], ['d']),
        makeNode('Add', ['d', 'bias'], ['e']),
        makeNode('Add', ['e', 'mask'], ['f']),
      ],
      {
        mean: normal(3),
        std: normal(1, 3),
        w: normal(3, 4),
        bias: normal(4),
        mask: TensorData.from('float32', [4], [0, 0, -1e9, -1e9]),
      },
    )
    expect(found).toEqual(['w', 'bias'])
  })

  it('take an embedding as learned, and angles that are looked up like one as computed', () => {
    const nodes = [makeNode('Gather', ['words', 'ids'], ['a']), makeNode('Gather', ['angles', 'ids'], ['b'])]
    const angles = table(64, 32, (p, i) => Math.cos(angle(p, i, 64)))
    expect(of(nodes, { words: normal(64, 32), angles })).toEqual(['words'])
  })
})
