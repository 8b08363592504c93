import { describe, expect, it } from 'vitest'
import {
  floatAttr,
  intAttr,
  intsAttr,
  makeGraph,
  makeModel,
  makeNode,
  TensorData,
  tensorType,
  sizeOf,
  verify,
  type Model,
  type Node,
} from '../../ir/index.ts'
import { random } from '../../random.ts'
import { createSession, Value } from '../../session/index.ts'
import { applyPasses } from '../rewrite.ts'
import dropIdentity from './drop-identity.ts'
import eliminateDead from './eliminate-dead.ts'
import foldBatchNorm from './fold-batch-norm.ts'

const stream = random(7, 'rewrites')
let drawn = 0

const tensor = (dims: number[], low = -1, high = 1): TensorData =>
  TensorData.from(
    'float32',
    dims,
    Array.from({ length: sizeOf(dims) }, () => low + (high - low) * stream.uniform(drawn++)),
  )

interface Parts {
  x: number[]
  nodes: Node[]
  weights?: Record<string, TensorData>
  outputs?: string[]
}

function model({ x, nodes, weights = {}, outputs = ['y'] }: Parts): Model {
  const graph = makeGraph('g')
  graph.inputs = [{ name: 'x', type: tensorType('float32', x) }]
  graph.outputs = outputs.map((name) => ({ name, type: tensorType('float32') }))
  graph.nodes = nodes
  graph.initializers = new Map(Object.entries(weights))
  return makeModel(graph, 17)
}

const norm = (channels: number): Record<string, TensorData> => ({
  scale: tensor([channels], 0.5, 2),
  shift: tensor([channels]),
  mean: tensor([channels]),
  variance: tensor([channels], 0.2, 3),
})
const normNode = (input: string, output = 'y') =>
  makeNode(
    'BatchNormalization',
    [input, 'scale', 'shift', 'mean', 'variance'],
    [output],
    { epsilon: floatAttr(1e-3) },
    { name: 'norm' },
  )

/** Largest difference of all outputs before and after, computed by ONNX Runtime without its own rewrites. */
async function difference(before: Model, after: Model): Promise<number> {
  expect(verify(after).filter((p) => p.severity === 'error')).toEqual([])
  const [a, b] = await Promise.all([before, after].map((m) => createSession(m, { level: 'disabled', threads: 1 })))
  const shape = a!.inputs[0]!.shape as number[]
  const feeds = { x: Value.fromTensor(tensor(shape)) }
  const [p, q] = [await a!.run(feeds), await b!.run(feeds)]
  expect(Object.keys(q)).toEqual(Object.keys(p))
  let largest = 0
  for (const [name, value] of Object.entries(p))
    value.numbers().forEach((v, i) => (largest = Math.max(largest, Math.abs(v - q[name]!.numbers()[i]!))))
  return largest
}

const layers: [string, Parts, number][] = [
  [
    'Conv',
    { x: [2, 3, 6, 6], nodes: [makeNode('Conv', ['x', 'w', 'b'], ['h'])], weights: { w: tensor([4, 3, 3, 3]), b: tensor([4]) } },
    4,
  ],
  [
    'depthwise Conv without bias',
    { x: [2, 4, 6, 6], nodes: [makeNode('Conv', ['x', 'w'], ['h'], { group: intAttr(4) })], weights: { w: tensor([4, 1, 3, 3]) } },
    4,
  ],
  [
    'grouped ConvTranspose',
    {
      x: [1, 4, 5, 5],
      nodes: [makeNode('ConvTranspose', ['x', 'w'], ['h'], { group: intAttr(2), strides: intsAttr([2, 2]) })],
      weights: { w: tensor([4, 3, 3, 3]) },
    },
    6,
  ],
  [
    'Gemm',
    {
      x: [5, 7],
      nodes: [makeNode('Gemm', ['x', 'w', 'b'], ['h'], { beta: floatAttr(0.5), alpha: floatAttr(2) })],
      weights: { w: tensor([7, 3]), b: tensor([1]) },
    },
    3,
  ],
  [
    'transposed Gemm',
    {
      x: [5, 7],
      nodes: [makeNode('Gemm', ['x', 'w', 'b'], ['h'], { transB: intAttr(1) })],
      weights: { w: tensor([3, 7]), b: tensor([1, 3]) },
    },
    3,
  ],
]

describe('fold-batch-norm', () => {
  it.each(layers)('folds into %s', async (_, parts, channels) => {
    const before = model({ ...parts, nodes: [...parts.nodes, normNode('h')], weights: { ...parts.weights, ...norm(channels) } })
    const { model: after, reports } = applyPasses(before, [foldBatchNorm, eliminateDead])
    expect(reports[0]!.report).toEqual({ changed: 1, refused: [] })
    expect(after.graph.nodes.map((n) => n.op)).toEqual(parts.nodes.map((n) => n.op))
    expect(before.graph.nodes).toHaveLength(2)
    expect(after.graph.initializers.size).toBe(2)
    expect(await difference(before, after)).toBeLessThan(1e-5)
  })

  const conv = makeNode('Conv', ['x', 'w'], ['h'], {}, { name: 'conv' })
  const w = tensor([4, 3, 3, 3])
  const refused: [string, Parts][] = [
    [
      "the output of 'conv' has other readers",
      { x: [1, 3, 6, 6], nodes: [conv, normNode('h', 'n'), makeNode('Add', ['n', 'h'], ['y'])], weights: { w } },
    ],
    [
      "the output of 'conv' is an output of the model",
      { x: [1, 3, 6, 6], nodes: [conv, normNode('h')], weights: { w }, outputs: ['y', 'h'] },
    ],
    [
      'what comes before it is a Relu',
      { x: [1, 3, 6, 6], nodes: [conv, makeNode('Relu', ['h'], ['r']), normNode('r')], weights: { w } },
    ],
    ['the weight of', { x: [1, 3, 6, 6], nodes: [makeNode('Abs', ['v'], ['w']), conv, normNode('h')], weights: { v: w } }],
  ]
  it.each(refused)('refuses: %s', async (reason, parts) => {
    const before = model({ ...parts, weights: { ...parts.weights, ...norm(4) } })
    const { model: after, reports } = applyPasses(before, [foldBatchNorm])
    expect(reports[0]!.report.changed).toBe(0)
    expect(reports[0]!.report.refused).toEqual([{ node: 'norm', reason: expect.stringContaining(reason) as string }])
    expect(await difference(before, after)).toBe(0)
  })
})

describe('drop-identity', () => {
  it('removes Identity and Dropout in the middle and at the end', async () => {
    const nodes = [
      makeNode('Identity', ['x'], ['a']),
      makeNode('Relu', ['a'], ['b']),
      makeNode('Dropout', ['b'], ['c', 'mask']),
      makeNode('Neg', ['c'], ['d']),
      makeNode('Add', ['d', 'c'], ['e']),
      makeNode('Identity', ['e'], ['y']),
    ]
    const before = model({ x: [2, 3], nodes })
    const { model: after } = applyPasses(before, [dropIdentity])
    expect(after.graph.nodes.map((n) => n.op)).toEqual(['Relu', 'Neg', 'Add'])
    expect(await difference(before, after)).toBe(0)
  })

  it('keeps what an output needs', async () => {
    const before = model({ x: [2, 3], nodes: [makeNode('Identity', ['x'], ['y'])] })
    const { model: after, reports } = applyPasses(before, [dropIdentity])
    expect(reports[0]!.report.refused).toHaveLength(1)
    expect(await difference(before, after)).toBe(0)
  })
})

it('eliminate-dead removes nodes and weights without a reader', async () => {
  const nodes = [makeNode('Add', ['x', 'u'], ['dead']), makeNode('Neg', ['dead'], ['deader']), makeNode('Add', ['x', 'v'], ['y'])]
  const before = model({ x: [2, 3], nodes, weights: { u: tensor([3]), v: tensor([3]) } })
  const { model: after, reports } = applyPasses(before, [eliminateDead])
  expect(reports[0]!.report.changed).toBe(3)
  expect([...after.graph.initializers.keys()]).toEqual(['v'])
  expect(await difference(before, after)).toBe(0)
})
