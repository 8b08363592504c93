import { describe, expect, it } from 'vitest'
import { modelOf, noise, value } from '../../tests/onnxModels.ts'
import { arrayDataSet, makeSplits } from '../data/index.ts'
import { intAttr, intsAttr, makeGraph, makeNode, TensorData, type Model, type Node } from '../ir/index.ts'
import { random } from '../random.ts'
import { fit, type FitOptions } from './fit.ts'
import { toNet } from './nets.ts'
import { rolesOf } from './parameters.ts'

/** Students with a memory, trained: whether the first number of a sequence was above that in its middle shows at its end only. */

const [samples, time, hidden] = [240, 6, 12]
const half = (dims: readonly number[], seed: number) =>
  TensorData.from(
    'float32',
    dims,
    Array.from(noise('float32', dims, seed).numbers(), (v) => v / 2),
  )

/** Batch-first data, turned for the recurrence; the last state to two classes. */
function student(recurrence: Node[], weights: Record<string, TensorData>): Model {
  return modelOf(
    [
      makeNode('Reshape', ['x', 'rows'], ['batches']),
      makeNode('Transpose', ['batches'], ['steps'], { perm: intsAttr([1, 0, 2]) }),
      ...recurrence,
      makeNode('Reshape', ['last', 'flat'], ['h']),
      makeNode('Gemm', ['h', 'w', 'b'], ['logits']),
    ],
    {
      inputs: [value('x', ['N', time, 1, 1])],
      outputs: ['logits'],
      initializers: {
        rows: TensorData.int64([0, time, 1]),
        flat: TensorData.int64([-1, hidden]),
        w: half([hidden, 2], 3),
        b: half([2], 4),
        ...weights,
      },
    },
  )
}

const lstm = () =>
  student([makeNode('LSTM', ['steps', 'wx', 'wh', 'bias'], ['', 'last'], { hidden_size: intAttr(hidden) })], {
    wx: half([1, 4 * hidden, 1], 5),
    wh: half([1, 4 * hidden, hidden], 6),
    bias: half([1, 8 * hidden], 7),
  })

/** The same kind of memory as an exporter writes it out: a loop over the steps, its weights outside. */
function loop(): Model {
  const body = makeGraph('body')
  body.inputs = [value('i', [], 'int64'), value('go', [], 'bool'), value('h0', ['N', hidden])]
  body.nodes = [
    makeNode('Identity', ['go'], ['on']),
    makeNode('Gather', ['steps', 'i'], ['xt']),
    makeNode('MatMul', ['xt', 'wx'], ['px']),
    makeNode('MatMul', ['h0', 'wh'], ['ph']),
    makeNode('Add', ['px', 'ph'], ['p']),
    makeNode('Tanh', ['p'], ['h1']),
  ]
  body.outputs = [value('on', [], 'bool'), value('h1', ['N', hidden])]
  return student(
    [
      makeNode('Shape', ['steps'], ['shape']),
      makeNode('Gather', ['shape', 'zero'], ['n']),
      makeNode('Slice', ['shape', 'one', 'two'], ['batch']),
      makeNode('Concat', ['batch', 'width'], ['start']),
      makeNode('ConstantOfShape', ['start'], ['zeros']),
      makeNode('Loop', ['n', '', 'zeros'], ['last'], { body: { type: 'graph', value: body } }),
    ].map((node) => (node.op === 'Concat' ? { ...node, attrs: new Map([['axis', intAttr(0)]]) } : node)),
    {
      zero: TensorData.scalar('int64', 0),
      one: TensorData.int64([1]),
      two: TensorData.int64([2]),
      width: TensorData.int64([hidden]),
      wx: half([1, hidden], 5),
      wh: half([hidden, hidden], 6),
    },
  )
}

function options(model: Model, more: Partial<FitOptions>): FitOptions {
  const data = new Float32Array(samples * time)
  random(5, 'rows').fillNormal(data, 0, 1)
  const labels = Int32Array.from({ length: samples }, (_, i) => (data[i * time]! > data[i * time + 3]! ? 1 : 0))
  const dataset = arrayDataSet({ name: 'rows', format: 'rows', shape: [time, 1, 1], data, labels })
  return {
    student: toNet(model, 'logits'),
    teacher: undefined,
    samples: { dataset, preprocess: undefined },
    splits: makeSplits(dataset, { seed: 1 }),
    classes: 2,
    labelled: true,
    methods: [],
    steps: 80,
    batch: 32,
    lr: 0.03,
    optimizer: 'adamw',
    momentum: 0.9,
    weightDecay: 0,
    schedule: 'constant',
    warmup: 0,
    accumulate: 1,
    labelSmoothing: 0,
    augment: [],
    evalEvery: 0,
    checkpointEvery: 0,
    seed: 3,
    threads: 1,
    provider: 'cpu',
    target: { provider: 'cpu', block: 1 },
    on: {},
    ...more,
  }
}

describe.each([
  ['LSTM', lstm],
  ['Loop', loop],
])('a student with a %s', (_, make) => {
  it('finds its weights', () => {
    expect(rolesOf(make().graph).parameters).toEqual(expect.arrayContaining(['wx', 'wh', 'w', 'b']))
  })

  it('learns what needs memory', async () => {
    const losses: number[] = []
    const model = make()
    const result = await fit(options(model, { on: { step: (e) => losses.push(e.losses.total!) } }))
    const mean = (list: readonly number[]) => list.reduce((s, v) => s + v, 0) / list.length
    expect(mean(losses.slice(-5))).toBeLessThan(0.6 * mean(losses.slice(0, 5)))
    const moved = result.weights
      .get('wh')!
      .numbers()
      .some((v, i) => v !== model.graph.initializers.get('wh')!.numbers()[i])
    expect(moved).toBe(true)
  })
})
