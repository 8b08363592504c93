import { describe, expect, it } from 'vitest'
import { fileNamed, modelOf, noise, real, run, value } from '../../tests/onnxModels.ts'
import { gradients } from '../autodiff/index.ts'
import {
  intAttr,
  intsAttr,
  makeGraph,
  makeNode,
  TensorData,
  type Attribute,
  type Graph,
  type Model,
  type Node,
} from '../ir/index.ts'
import { readModelSync, upgradeOpset } from '../onnx/index.ts'
import { lower } from '../passes/index.ts'
import { inlineGraph, newBuilder, type Builder, type InlineOptions, type Tensor, type TensorType } from './index.ts'

/** Control flow written out, against ONNX Runtime's own and against closed forms. */

const graphAttr = (graph: Graph): Attribute => ({ type: 'graph', value: graph })
const scalar = (v: number, dtype: 'float32' | 'int64' | 'bool' = 'int64') => TensorData.scalar(dtype, v)

function body(nodes: Node[], inputs: string[], outputs: string[], initializers: Record<string, TensorData> = {}): Graph {
  const graph = makeGraph('body')
  graph.nodes = nodes
  graph.inputs = inputs.map((name) => ({ name, type: undefined }))
  graph.outputs = outputs.map((name) => ({ name, type: undefined }))
  for (const [name, t] of Object.entries(initializers)) graph.initializers.set(name, t)
  return graph
}

/** Body inputs of a Loop need their types, which ONNX Runtime does not infer. */
function loopBody(nodes: Node[], carried: string[], outputs: string[], initializers: Record<string, TensorData> = {}): Graph {
  const graph = body(nodes, [], outputs, initializers)
  graph.inputs = [value('i', [], 'int64'), value('go', [], 'bool'), ...carried.map((name) => value(name, ['?']))]
  return graph
}

/** The model compiled: floats are inputs of the same names, integers known. */
function compiled(model: Model, feeds: Record<string, TensorData>, options: InlineOptions = {}) {
  const b = newBuilder()
  const { graph } = upgradeOpset(model).model
  const given = new Map<string, Tensor>()
  for (const [name, t] of Object.entries(feeds))
    given.set(name, t.dtype.startsWith('float') ? b.input(name, t.dtype, t.dims) : b.constant(t))
  const values = inlineGraph(b, graph, given, options)
  return { b, values, outputs: graph.outputs.map((v) => values.get(v.name)!) }
}

const numbers = (t: { data: unknown }) => Array.from(t.data as ArrayLike<number>, Number)

/** Runs a compiled graph as ONNX Runtime would run the model; also what its outputs become after lowering. */
async function expectSame(model: Model, feeds: Record<string, TensorData>, options: InlineOptions = {}): Promise<Builder> {
  const { b, outputs } = compiled(model, feeds, options)
  const expected = await run(model, feeds)
  const lowered = lower(b, outputs)
  const plain = lowered.b.model(Object.fromEntries(outputs.map((t, i) => [`out${i}`, lowered.at(t)])))
  const floats = Object.fromEntries(Object.entries(feeds).filter(([, t]) => t.dtype.startsWith('float')))
  const found = await run(plain, floats)
  model.graph.outputs.forEach(({ name }, i) => {
    expect([...found[`out${i}`]!.dims], name).toEqual([...expected[name]!.dims])
    const wanted = numbers(expected[name]!)
    numbers(found[`out${i}`]!).forEach((v, k) => expect(v, `${name} ${k}`).toBeCloseTo(wanted[k]!, 4))
  })
  return lowered.b
}

/** s = s w + x, from s = x. The names of the body are those of values around it where ONNX allows that. */
function horner(trips: number): Model {
  const inner = loopBody(
    [
      makeNode('Identity', ['go'], ['on']),
      makeNode('Mul', ['s', 'w'], ['Mul_1']),
      makeNode('Add', ['Mul_1', 'x'], ['Add_1']),
      makeNode('Mul', ['Add_1', 'two'], ['twice']),
    ],
    ['s'],
    ['on', 'Add_1', 'twice'],
    { two: scalar(2, 'float32') },
  )
  return modelOf(
    [
      makeNode('Mul', ['w', 'w'], ['w2']),
      makeNode('Loop', ['n', '', 'x'], ['last', 'all'], { body: graphAttr(inner) }),
      makeNode('Add', ['last', 'w2'], ['y']),
    ],
    {
      inputs: [value('x', [3]), value('w', [3])],
      outputs: ['y', 'all'],
      initializers: { n: scalar(trips) },
    },
  )
}

const feeds = { x: noise('float32', [3], 3), w: noise('float32', [3], 4) }

describe('Loop', () => {
  it.each([1, 3, 7])('of %i passes is written out', async (trips) => {
    const b = await expectSame(horner(trips), feeds)
    expect(b.steps.filter((s) => s.node.op === 'Loop')).toEqual([])
  })

  it('of no passes gives its inputs and empty scans', async () => {
    const { outputs } = compiled(horner(0), feeds)
    expect(outputs[1]!.shape).toEqual([0, 3])
  })

  it('has the derivatives of the polynomial that it computes', async () => {
    const { b, values } = compiled(horner(3), feeds)
    const [x, w] = [values.get('x')!, values.get('w')!]
    const first = gradients(values.get('last')!.sum(), [x, w])
    const second = gradients(first[1]!.sum(), [w])
    const found = await run(b.model({ dx: first[0]!, dw: first[1]!, dww: second[0]! }), feeds)
    const [xs, ws] = [feeds.x.numbers(), feeds.w.numbers()]
    for (let i = 0; i < 3; i++) {
      const [p, q] = [xs[i]!, ws[i]!]
      expect(numbers(found.dx!)[i]).toBeCloseTo(1 + q + q ** 2 + q ** 3, 5)
      expect(numbers(found.dw!)[i]).toBeCloseTo(p * (1 + 2 * q + 3 * q ** 2), 5)
      expect(numbers(found.dww!)[i]).toBeCloseTo(p * (2 + 6 * q), 5)
    }
  })

  it('that stops by its condition is followed while that is known', async () => {
    const inner = loopBody(
      [
        makeNode('Add', ['i', 'one'], ['next']),
        makeNode('Less', ['next', 'limit'], ['on']),
        makeNode('Add', ['s', 'x'], ['grown']),
      ],
      ['s'],
      ['on', 'grown'],
      { one: scalar(1) },
    )
    const model = modelOf([makeNode('Loop', ['', 'yes', 'x'], ['y'], { body: graphAttr(inner) })], {
      inputs: [value('x', [3])],
      outputs: ['y'],
      initializers: { yes: scalar(1, 'bool'), limit: scalar(5) },
    })
    const b = await expectSame(model, { x: feeds.x })
    expect(b.steps.map((s) => s.node.op)).toEqual(Array(5).fill('Add'))
  })

  it('asks for a weight of its body once', () => {
    const asked: string[] = []
    const { b } = compiled(horner(4), feeds, {
      initializer: (name) => {
        asked.push(name)
        return undefined
      },
    })
    expect(asked.filter((name) => name === 'two')).toEqual(['two'])
    expect(b.steps.length).toBeGreaterThan(8)
  })

  it('beyond the ceiling is refused after its first pass', () => {
    const b = newBuilder()
    const given = new Map(Object.entries(feeds).map(([name, t]) => [name, b.input(name, t.dtype, t.dims)]))
    expect(() => inlineGraph(b, upgradeOpset(horner(30_000)).model.graph, given)).toThrow(
      /unrolling Loop over 30000 steps takes about 90,000 nodes and 1.0 MiB; the ceiling is 10,000 nodes and 2.0 GiB/,
    )
    expect(b.steps.length).toBeLessThan(10)
  })
})

describe('what is computed at run time stays opaque', () => {
  const model = (): Model => {
    const inner = loopBody(
      [
        makeNode('Mul', ['s', 'w'], ['h']),
        makeNode('ReduceSum', ['h'], ['size'], { keepdims: intAttr(0) }),
        makeNode('Less', ['size', 'limit'], ['on']),
      ],
      ['s'],
      ['on', 'h'],
      { limit: scalar(100, 'float32') },
    )
    return modelOf(
      [
        makeNode('Abs', ['x'], ['h_1']),
        makeNode('Add', ['h_1', 'w'], ['start']),
        makeNode('Loop', ['n', '', 'start'], ['last'], { body: graphAttr(inner) }),
        makeNode('Add', ['last', 'h_1'], ['y']),
      ],
      { inputs: [value('x', [3]), value('w', [3])], outputs: ['y'], initializers: { n: scalar(6) } },
    )
  }
  const types = new Map<string, TensorType>([['last', { dtype: 'float32', shape: [3] }]])
  const wide = { x: feeds.x, w: TensorData.from('float32', [3], [3, 2, 4]) }

  it('and runs as it stands, with what its body takes from around it', async () => {
    const b = await expectSame(model(), wide, { types })
    expect(b.steps.filter((s) => s.node.op === 'Loop')).toHaveLength(1)
  })

  it('also beside another graph with the same names', async () => {
    const b = newBuilder()
    const { graph } = upgradeOpset(model()).model
    const [x, w] = [b.input('x', 'float32', [3]), b.input('w', 'float32', [3])]
    const first = inlineGraph(
      b,
      graph,
      new Map([
        ['x', x],
        ['w', w],
      ]),
      { types },
    ).get('y')!
    const second = inlineGraph(
      b,
      graph,
      new Map([
        ['x', x],
        ['w', first],
      ]),
      { types },
    ).get('y')!
    const found = await run(b.model({ first, second }), wide)
    const once = await run(model(), wide)
    expect(numbers(found.first!)).toEqual(numbers(once.y!))
    const twice = await run(model(), { x: wide.x, w: TensorData.from('float32', [3], numbers(once.y!)) })
    expect(numbers(found.second!)).toEqual(numbers(twice.y!))
  })

  it('and names the reason where a gradient is asked', () => {
    const { values } = compiled(model(), wide, { types })
    const y = values.get('y')!.sum()
    expect(() => gradients(y, [values.get('w')!])).toThrow(
      /no gradient for Loop: the condition after pass 1 \('[^']+'\) is computed at run time/,
    )
  })

  it('and cannot be compiled where its types are unknown', () => {
    const hint = 'such a model can teach (it is run on its own), but not be trained'
    const wanted = expect.objectContaining({ code: 'unsupported', where: `node 'last' (Loop)`, hint }) as Error
    expect(() => compiled(model(), wide)).toThrow(wanted)
  })
})

describe('If', () => {
  const nested = (condition: Node[]): Model => {
    const leaf = (op: string) => body([makeNode(op, ['x', 'w'], [`${op}_out`])], [], [`${op}_out`])
    const deep = body(
      [makeNode('If', ['yes'], ['inner'], { then_branch: graphAttr(leaf('Mul')), else_branch: graphAttr(leaf('Sub')) })],
      [],
      ['inner'],
    )
    return modelOf(
      [...condition, makeNode('If', ['c'], ['y'], { then_branch: graphAttr(deep), else_branch: graphAttr(leaf('Add')) })],
      {
        inputs: [value('x', [3]), value('w', [3])],
        outputs: ['y'],
        initializers: { yes: scalar(1, 'bool'), three: scalar(3), zero: scalar(0) },
      },
    )
  }
  const onLength = (op: string) => [
    makeNode('Shape', ['x'], ['shape']),
    makeNode('Gather', ['shape', 'zero'], ['length']),
    makeNode(op, ['length', 'three'], ['c']),
  ]

  it('on a shape takes one branch, captures through both levels', async () => {
    expect((await expectSame(nested(onLength('Equal')), feeds)).steps.map((s) => s.node.op)).toEqual(['Mul'])
    expect((await expectSame(nested(onLength('Less')), feeds)).steps.map((s) => s.node.op)).toEqual(['Add'])
  })

  const onData = (model: Model): Model => {
    model.graph.initializers.set('nought', scalar(0, 'float32'))
    model.graph.nodes = [
      makeNode('ReduceSum', ['x'], ['s'], { keepdims: intAttr(0) }),
      makeNode('Less', ['s', 'nought'], ['c']),
      ...model.graph.nodes,
    ]
    return model
  }
  const negated = {
    ...feeds,
    x: TensorData.from(
      'float32',
      [3],
      Array.from(feeds.x.numbers(), (v) => -v),
    ),
  }

  it('on data computes both branches and selects one, with its gradient', async () => {
    const model = onData(nested([]))
    for (const given of [feeds, negated]) {
      const b = await expectSame(model, given)
      expect(b.steps.map((s) => s.node.op)).toContain('Where')
    }
    const { b, values } = compiled(model, feeds)
    const [dw] = gradients(values.get('y')!.sum(), [values.get('w')!])
    // x w in one branch, x + w in the other.
    for (const given of [feeds, negated]) {
      const xs = Array.from(given.x.numbers())
      const multiplied = xs.reduce((s, v) => s + v, 0) < 0
      numbers((await run(b.model({ dw: dw! }), given)).dw!).forEach((v, i) => expect(v).toBeCloseTo(multiplied ? xs[i]! : 1, 6))
    }
  })

  it('on data stays opaque where its branches give different shapes', async () => {
    const model = onData(nested([]))
    const [last] = model.graph.nodes.slice(-1)
    const twice = body([makeNode('Concat', ['x', 'w'], ['xw'], { axis: intAttr(0) })], [], ['xw'])
    last!.attrs.set('else_branch', graphAttr(twice))
    const reason = /its condition \('[^']+'\) is computed at run time, and its branches give float32\[3\] and float32\[6\]/
    expect(() => compiled(model, feeds)).toThrow(reason)
    const types = new Map<string, TensorType>([['y', { dtype: 'float32', shape: [6] }]])
    const long = Array.from(feeds.x.numbers()).reduce((s, v) => s + v, 0) < 0 ? negated : feeds
    const b = await expectSame(model, long, { types })
    expect(b.steps.map((s) => s.node.op)).toContain('If')
  })
})

it('Scan walks its axes in their directions', async () => {
  const inner = body(
    [makeNode('Mul', ['s', 'u'], ['su']), makeNode('Add', ['su', 'v'], ['next']), makeNode('Tanh', ['next'], ['out'])],
    [],
    ['next', 'out', 'su'],
  )
  inner.inputs = [value('s', [2]), value('u', [2]), value('v', [2])]
  const attrs = {
    body: graphAttr(inner),
    num_scan_inputs: intAttr(2),
    scan_input_axes: intsAttr([1, -2]),
    scan_input_directions: intsAttr([0, 1]),
    scan_output_axes: intsAttr([1, 0]),
    scan_output_directions: intsAttr([1, 0]),
  }
  const model = modelOf([makeNode('Scan', ['s0', 'u0', 'v0'], ['last', 'a', 'b'], attrs)], {
    inputs: [value('s0', [2]), value('u0', [2, 4]), value('v0', [4, 2])],
    outputs: ['last', 'a', 'b'],
  })
  const b = await expectSame(model, {
    s0: noise('float32', [2], 5),
    u0: noise('float32', [2, 4], 6),
    v0: noise('float32', [4, 2], 7),
  })
  expect(b.steps.filter((s) => s.node.op === 'Scan')).toEqual([])
})

it('sequences that pack and unpack around a loop leave tensors behind', async () => {
  const inner = body(
    [
      makeNode('SequenceAt', ['parts', 'i'], ['part']),
      makeNode('Tanh', ['part'], ['done']),
      makeNode('SequenceInsert', ['s', 'done', 'start'], ['grown']),
      makeNode('Identity', ['go'], ['on']),
    ],
    [],
    ['on', 'grown'],
    { start: scalar(0) },
  )
  const sequence = { kind: 'sequence' as const, of: { kind: 'tensor' as const, dtype: 'float32' as const, shape: undefined } }
  inner.inputs = [value('i', [], 'int64'), value('go', [], 'bool'), { name: 's', type: sequence }]
  const model = modelOf(
    [
      makeNode('SplitToSequence', ['x', 'sizes'], ['parts'], { axis: intAttr(1) }),
      makeNode('SequenceLength', ['parts'], ['n']),
      makeNode('SequenceEmpty', [], ['none']),
      makeNode('Loop', ['n', '', 'none'], ['mapped'], { body: graphAttr(inner) }),
      makeNode('SequenceErase', ['mapped', 'first'], ['fewer']),
      makeNode('ConcatFromSequence', ['fewer'], ['y'], { axis: intAttr(-1) }),
    ],
    {
      inputs: [value('x', [2, 7])],
      outputs: ['y'],
      initializers: { sizes: TensorData.int64([2, 1, 4]), first: scalar(-3) },
    },
  )
  await expectSame(model, { x: noise('float32', [2, 7], 8) })
})

describe.skipIf(!real)('real models', () => {
  const load = (name: string) => readModelSync(fileNamed(real!, name))

  it.each([1, 6])('a recurrent model of four loops, %i steps', async (length) => {
    const model = load('nuphar_tiny_model_with_loop.onnx')
    const state = (seed: number) => noise('float32', [4, 1, 20], seed)
    await expectSame(model, { input: noise('float32', [length, 1, 10]), hi0: state(2), ci0: state(3) })
  })

  it.each([
    [16000, 576],
    [8000, 288],
  ])('a voice detector with one branch for %i Hz', async (rate, samples) => {
    const model = load('silero_vad_op18_ifless.onnx')
    const given = { input: noise('float32', [2, samples]), sr: scalar(rate), state: noise('float32', [2, 2, 128], 2) }
    const b = await expectSame(model, given)
    expect(b.steps.filter((s) => s.node.op === 'If')).toEqual([])
  })
})
