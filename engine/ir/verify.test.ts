import { describe, expect, it } from 'vitest'
import { modelOf, open, value } from '../../tests/onnxModels.ts'
import { ModelError } from '../errors.ts'
import {
  assertValid,
  findCycle,
  floatAttr,
  makeGraph,
  makeNode,
  sortNodes,
  TensorData,
  verify,
  type FunctionDef,
  type Graph,
  type Model,
  type Node,
  type Rule,
} from './index.ts'

const relu = (from: string, to: string, name = to) => makeNode('Relu', [from], [to], {}, { name })
const base = (nodes: Node[] = [relu('x', 'y')]): Model => modelOf(nodes, { inputs: [value('x', [2])], outputs: ['y'] })
const change = (edit: (model: Model) => void, nodes?: Node[]): Model => {
  const model = base(nodes)
  edit(model)
  return model
}
const body = (nodes: Node[], output: string): Graph => ({
  ...makeGraph('body'),
  nodes,
  outputs: [value(output, [2])],
})
/** `h = Relu(x); y = c ? then : Neg(h)` */
const branching = (then: Graph, more: Node[] = []): Model =>
  modelOf(
    [
      relu('x', 'h'),
      makeNode('If', ['c'], ['y'], {
        then_branch: { type: 'graph', value: then },
        else_branch: { type: 'graph', value: body([makeNode('Neg', ['h'], ['e'])], 'e') },
      }),
      ...more,
    ],
    { inputs: [value('x', [2])], outputs: ['y'], initializers: { c: TensorData.from('bool', [], [1]) } },
  )
const def = (nodes: Node[], more: Partial<FunctionDef> = {}): FunctionDef => ({
  name: 'F',
  domain: 'd',
  overload: '',
  inputs: ['a'],
  outputs: ['b'],
  attributes: [],
  defaults: new Map(),
  nodes,
  opsets: new Map([
    ['', 17],
    ['d', 1],
  ]),
  doc: '',
  ...more,
})
const calling = (...functions: FunctionDef[]): Model =>
  change(
    (m) => {
      m.opsets.set('d', 1)
      m.functions = functions
    },
    [makeNode('F', ['x'], ['y'], {}, { domain: 'd' })],
  )

/** What is wrong, which rule says so, and that ONNX Runtime refuses it as well. */
const errors: [string, Rule, Model][] = [
  ['no IR version', 'ir-version', change((m) => (m.irVersion = 0))],
  ['no opset', 'opset', change((m) => m.opsets.clear())],
  ['opset 0', 'opset', change((m) => m.opsets.set('', 0))],
  ['a domain without opset', 'opset', base([makeNode('Foo', ['x'], ['y'], {}, { domain: 'my.own' })])],
  ['a value made twice', 'duplicate-name', base([relu('x', 'y'), relu('x', 'y', 'other')])],
  ['a node name used twice', 'duplicate-name', base([relu('x', 'a', 'n'), relu('a', 'y', 'n')])],
  ['an input listed twice', 'duplicate-name', change((m) => m.graph.inputs.push(value('x', [2])))],
  ['an input without name', 'duplicate-name', change((m) => m.graph.inputs.push(value('', [2])))],
  ['an output with an input name', 'duplicate-name', base([relu('x', 'y'), relu('y', 'x', 'n')])],
  ['a value that nobody makes', 'undefined-value', base([makeNode('Add', ['x', 'zz'], ['y'])])],
  ['a graph output that nobody makes', 'undefined-value', change((m) => m.graph.outputs.push(value('q', [2])))],
  ['a cycle', 'cycle', base([makeNode('Add', ['x', 'b'], ['y']), relu('y', 'b')])],
  ['an input without type', 'missing-type', change((m) => (m.graph.inputs[0]!.type = undefined))],
  ['no operator', 'node', base([makeNode('', ['x'], ['y'])])],
  ['an attribute without name', 'attribute', base([makeNode('LeakyRelu', ['x'], ['y'], { '': floatAttr(1) })])],
  [
    'an initializer of another type than its input',
    'type-mismatch',
    change((m) => m.graph.initializers.set('x', TensorData.from('float64', [2], [1, 2]))),
  ],
  [
    'an initializer of another shape than its input',
    'type-mismatch',
    change((m) => m.graph.initializers.set('x', TensorData.from('float32', [3], [1, 2, 3]))),
  ],
  ['a subgraph that hides a value around it', 'shadowed-name', branching(body([relu('x', 'h')], 'h'))],
  ['a subgraph that reads nothing', 'undefined-value', branching(body([relu('zz', 't')], 't'))],
  ['a subgraph that gives an outer value', 'undefined-value', branching(body([], 'h'))],
  ['a subgraph out of order', 'order', branching(body([relu('q', 't'), relu('h', 'q')], 't'))],
  ['a function that reads nothing', 'undefined-value', calling(def([relu('zz', 'b')]))],
  ['a function out of order', 'order', calling(def([relu('q', 'b'), relu('a', 'q')]))],
  ['a function without opsets', 'opset', calling(def([relu('a', 'b')], { opsets: new Map() }))],
  ['a function that calls itself', 'function-recursion', calling(def([makeNode('F', ['a'], ['b'], {}, { domain: 'd' })]))],
]

describe('errors, which ONNX Runtime refuses too', () => {
  it.each(errors)('%s', async (_, rule, model) => {
    const found = verify(model).filter((p) => p.severity === 'error')
    expect(found.map((p) => p.rule)).toContain(rule)
    expect(() => assertValid(model, 'm.onnx')).toThrow(ModelError)
    await expect(open(model)).rejects.toThrow()
  })
})

/** What ONNX Runtime lets pass must not be an error here. */
const allowed: [string, Rule | undefined, Model][] = [
  ['a sound model', undefined, base()],
  ['nodes out of order', 'order', base([relu('a', 'y'), relu('x', 'a')])],
  ['an output listed twice', 'duplicate-name', change((m) => m.graph.outputs.push(value('y', [2])))],
  ['com.microsoft without import', 'opset', base([makeNode('Gelu', ['x'], ['y'], {}, { domain: 'com.microsoft' })])],
  ['an input of immense shape', 'dims', change((m) => (m.graph.inputs = [value('x', [2 ** 31, 2 ** 31])]))],
  [
    'an initializer that is an input',
    undefined,
    change((m) => m.graph.initializers.set('x', TensorData.from('float32', [2], [1, 2]))),
  ],
  ['branches with the same names', undefined, branching(body([relu('h', 'e')], 'e'))],
  ['a branch that reads what comes later', undefined, branching(body([relu('late', 't')], 't'), [relu('x', 'late')])],
  [
    'an initializer that hides one around it',
    undefined,
    branching({ ...body([relu('c', 't')], 't'), initializers: new Map([['c', TensorData.from('float32', [2], [1, 2])]]) }),
  ],
  ['a function of another opset', undefined, calling(def([relu('a', 'b')], { opsets: new Map([['', 16]]) }))],
]

describe('what ONNX Runtime loads', () => {
  it.each(allowed)('%s', async (_, rule, model) => {
    expect(verify(model).map((p) => [p.severity, p.rule])).toEqual(rule === undefined ? [] : [['warning', rule]])
    expect(() => assertValid(model)).not.toThrow()
    await (await open(model)).release()
  })
})

it('names the cycle and counts the other errors', () => {
  const model = base([
    makeNode('Add', ['x', 'b'], ['y'], {}, { name: 'first' }),
    relu('y', 'b', 'second'),
    makeNode('', ['x'], ['z']),
  ])
  expect(() => assertValid(model)).toThrow(
    /^graph 'test': a cycle: 'first' \(Add\) <- 'second' \(Relu\) <- 'first' \(Add\) \(and 1 more\)$/,
  )
})

describe('order', () => {
  it('is restored, nodes that are in order stay', () => {
    const { graph } = base([relu('b', 'y'), relu('x', 'a'), makeNode('Add', ['a', 'x'], ['b'])])
    sortNodes(graph)
    expect(graph.nodes.map((n) => n.outputs[0])).toEqual(['a', 'b', 'y'])
    sortNodes(graph)
    expect(graph.nodes.map((n) => n.outputs[0])).toEqual(['a', 'b', 'y'])
  })

  it('follows what subgraphs capture', () => {
    const { graph } = branching(body([relu('late', 't')], 't'), [relu('x', 'late')])
    sortNodes(graph)
    expect(graph.nodes.map((n) => n.op)).toEqual(['Relu', 'Relu', 'If'])
  })

  it('takes chains longer than the stack', () => {
    const nodes = Array.from({ length: 50_000 }, (_, i) => relu(`v${i + 1}`, `v${i}`))
    expect(findCycle(nodes)).toBeUndefined()
    expect(findCycle([...nodes, relu('v0', 'v50000')])).toHaveLength(50_001)
  })
})
