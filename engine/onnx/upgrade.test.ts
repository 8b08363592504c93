import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  bad,
  expectSameBits,
  fileNamed,
  modelOf,
  nodeTests,
  noise,
  onnxFiles,
  open,
  real,
  run,
  single,
  value,
} from '../../tests/onnxModels.ts'
import { assertValid, floatAttr, intAttr, intsAttr, makeNode, stringAttr, TensorData, type Model } from '../ir/index.ts'
import { decodeMessage } from './decode.ts'
import { encodeModel, readModelSync, upgradeOpset, WORKING_OPSET } from './index.ts'
import { tensorOf } from './tensor.ts'

/** The upgraded model, which must be sound and of the working opset. */
function upgraded(model: Model): Model {
  const before = encodeModel(model)
  const { model: after, notUpgraded } = upgradeOpset(model)
  expect(notUpgraded.map((n) => `${n.op}: ${n.reason}`)).toEqual([])
  assertValid(after)
  expect(after.opsets.get('')).toBe(WORKING_OPSET)
  // The model given is not touched.
  expect(Buffer.compare(encodeModel(model), before)).toBe(0)
  return after
}
const x = (...dims: number[]) => ({ x: noise('float32', dims) })

/** Where ONNX Runtime still runs the old definition, it is the reference. */
const runnable: [string, Model, Record<string, TensorData>][] = [
  ['Softmax over the last axes together', single('Softmax', [2, 3, 4], {}, 7), x(2, 3, 4)],
  ['LogSoftmax of a matrix', single('LogSoftmax', [2, 3], {}, 11), x(2, 3)],
  ['Hardmax over all', single('Hardmax', [2, 3, 4], { axis: intAttr(0) }, 11), x(2, 3, 4)],
  [
    'Softmax of unknown rank',
    {
      ...modelOf(
        [makeNode('Identity', ['x'], ['i']), makeNode('Softmax', ['i'], ['y'])],
        { inputs: [{ name: 'x', type: { kind: 'tensor', dtype: 'float32', shape: undefined } }], outputs: ['y'] },
        9,
      ),
    },
    x(2, 3, 4),
  ],
  ['Softmax with single axes behind', single('Softmax', [2, 3, 1, 1], {}, 12), x(2, 3, 1, 1)],
  ['Clip', single('Clip', [4, 5], { min: floatAttr(-0.25), max: floatAttr(0.5) }, 7), x(4, 5)],
  ['Clip with one bound', single('Clip', [4, 5], { min: floatAttr(0.1) }, 7), x(4, 5)],
  ['Pad with a value', single('Pad', [2, 3], { pads: intsAttr([1, 0, 0, 2]), value: floatAttr(3) }, 7), x(2, 3)],
  ['Pad by reflection', single('Pad', [3, 3], { pads: intsAttr([1, 1, 1, 1]), mode: stringAttr('reflect') }, 7), x(3, 3)],
  [
    'Slice to the end',
    single(
      'Slice',
      [4, 5],
      { starts: intsAttr([1]), ends: { type: 'ints', value: [9223372036854775807n] }, axes: intsAttr([1]) },
      7,
    ),
    x(4, 5),
  ],
  [
    'TopK',
    modelOf([makeNode('TopK', ['x'], ['y', 'i'], { k: intAttr(2) })], { inputs: [value('x', [2, 5])], outputs: ['y', 'i'] }, 7),
    x(2, 5),
  ],
  [
    'Split',
    modelOf(
      [makeNode('Split', ['x'], ['y', 'z'], { axis: intAttr(1), split: intsAttr([1, 3]) })],
      { inputs: [value('x', [2, 4])], outputs: ['y', 'z'] },
      7,
    ),
    x(2, 4),
  ],
  [
    'Split into equal parts',
    modelOf(
      [makeNode('Split', ['x'], ['y', 'z'], { axis: intAttr(1) })],
      { inputs: [value('x', [2, 4])], outputs: ['y', 'z'] },
      13,
    ),
    x(2, 4),
  ],
  [
    'Squeeze, Unsqueeze',
    modelOf(
      [makeNode('Unsqueeze', ['x'], ['u'], { axes: intsAttr([0, 3]) }), makeNode('Squeeze', ['u'], ['y'], { axes: intsAttr([3]) })],
      { inputs: [value('x', [2, 4])], outputs: ['y'] },
      11,
    ),
    x(2, 4),
  ],
  ['Squeeze of all', single('Squeeze', [1, 4, 1], {}, 11), x(1, 4, 1)],
  ...['ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceL2', 'ReduceLogSumExp'].map(
    (op): [string, Model, Record<string, TensorData>] => [
      op,
      single(op, [2, 3, 4], { axes: intsAttr([1, -1]), keepdims: intAttr(0) }, 11),
      x(2, 3, 4),
    ],
  ),
  ['ReduceMean of all', single('ReduceMean', [2, 3], {}, 11), x(2, 3)],
  ['Upsample, nearest', single('Upsample', [1, 1, 2, 3], { scales: { type: 'floats', value: [1, 1, 2, 3] } }, 7), x(1, 1, 2, 3)],
  [
    'Upsample, linear',
    single('Upsample', [1, 1, 3, 3], { mode: stringAttr('linear') }, 9, [TensorData.from('float32', [4], [1, 1, 2, 2])]),
    x(1, 1, 3, 3),
  ],
  [
    'Resize down, nearest',
    single('Resize', [1, 1, 6, 7], {}, 10, [TensorData.from('float32', [4], [1, 1, 0.6, 0.4])]),
    x(1, 1, 6, 7),
  ],
  [
    'Resize up, nearest',
    single('Resize', [1, 1, 3, 4], {}, 10, [TensorData.from('float32', [4], [1, 1, 1.7, 2.3])]),
    x(1, 1, 3, 4),
  ],
  [
    'Resize down, linear',
    single('Resize', [1, 1, 6, 7], { mode: stringAttr('linear') }, 10, [TensorData.from('float32', [4], [1, 1, 0.6, 0.4])]),
    x(1, 1, 6, 7),
  ],
  ['Dropout', single('Dropout', [2, 3], { ratio: floatAttr(0.9) }, 7), x(2, 3)],
  [
    'BatchNormalization',
    single(
      'BatchNormalization',
      [2, 3, 2, 2],
      { spatial: intAttr(1) },
      7,
      [1, 2, 3, 4].map((seed) => TensorData.from('float32', [3], [seed, 0.5, 2])),
    ),
    x(2, 3, 2, 2),
  ],
  [
    'Scatter',
    single('Scatter', [3, 3], { axis: intAttr(0) }, 9, [TensorData.from('int64', [1, 3], [0, 2, 1]), noise('float32', [1, 3], 9)]),
    x(3, 3),
  ],
  ['GlobalLpPool, which has no kernel at the target', single('GlobalLpPool', [2, 3, 4, 4], {}, 7), x(2, 3, 4, 4)],
  ['GlobalLpPool of another order', single('GlobalLpPool', [2, 3, 4, 4], { p: intAttr(3) }, 7), x(2, 3, 4, 4)],
  ['PRelu', single('PRelu', [2, 3, 2, 2], {}, 7, [noise('float32', [3, 1, 1], 4)]), x(2, 3, 2, 2)],
  [
    'ImageScaler',
    single('ImageScaler', [2, 3, 2, 2], { scale: floatAttr(0.5), bias: { type: 'floats', value: [1, 2, 3] } }, 7),
    x(2, 3, 2, 2),
  ],
  ['Affine', single('Affine', [2, 3], { alpha: floatAttr(2), beta: floatAttr(-1) }, 7), x(2, 3)],
  ['ParametricSoftplus', single('ParametricSoftplus', [2, 3], { alpha: floatAttr(2), beta: floatAttr(-1) }, 7), x(2, 3)],
  ['ScaledTanh', single('ScaledTanh', [2, 3], { alpha: floatAttr(2), beta: floatAttr(-1) }, 7), x(2, 3)],
  ['Crop', single('Crop', [1, 2, 5, 6], { border: intsAttr([1, 0, 2, 1]) }, 7), x(1, 2, 5, 6)],
  ['Crop to a size', single('Crop', [1, 2, 5, 6], { border: intsAttr([1, 0, 2, 1]), scale: intsAttr([2, 3]) }, 7), x(1, 2, 5, 6)],
  [
    'GridSample',
    single('GridSample', [1, 1, 4, 4], { mode: stringAttr('bicubic') }, 16, [noise('float32', [1, 3, 3, 2], 3)]),
    x(1, 1, 4, 4),
  ],
  ['DFT', single('DFT', [1, 8, 1], {}, 17), x(1, 8, 1)],
]

describe('upgraded nodes give what the old ones gave in ONNX Runtime', () => {
  it.each(runnable)('%s', async (_, model, feeds) => {
    const after = upgraded(model)
    const [expected, found] = [await run(model, feeds), await run(after, feeds)]
    expect(Object.keys(found)).toEqual(Object.keys(expected))
    for (const [name, { dims, data }] of Object.entries(expected)) {
      expect(found[name]!.dims).toEqual(dims)
      const numbers = Array.from(data as Float32Array, Number)
      Array.from(found[name]!.data as Float32Array, Number).forEach((v, i) =>
        expect(Math.abs(v - numbers[i]!)).toBeLessThanOrEqual(1e-6),
      )
    }
  })

  it('of nodes without kernel at the target, goes as far as there is one', async () => {
    const model = single('RandomNormalLike', [4], { seed: floatAttr(3) }, 17)
    const { model: after, notUpgraded } = upgradeOpset(model)
    expect(notUpgraded).toEqual([])
    expect(after.opsets.get('')).toBe(21)
    expectSameBits(await run(after, x(4)), await run(model, x(4)))
  })

  it('of nodes without kernel and older features, says what is in the way', () => {
    const model = single('RandomNormalLike', [2], {}, 7)
    model.graph.nodes.push(...single('BatchNormalization', [1, 2], { spatial: intAttr(0) }, 7).graph.nodes)
    const { model: same, notUpgraded } = upgradeOpset(model)
    expect(same).toBe(model)
    expect(notUpgraded.map((n) => n.op)).toEqual(expect.arrayContaining(['BatchNormalization']))
  })
})

/** Definitions too old for ONNX Runtime, against their own formula. `f` maps inputs to the first output. */
const old: [string, Model, Record<string, TensorData>, number[]][] = [
  [
    'Add along axis 1',
    single('Add', [2, 3, 2], { broadcast: intAttr(1), axis: intAttr(1) }, 6, [TensorData.from('float32', [3], [10, 20, 30])]),
    { x: TensorData.from('float32', [2, 3, 2], [...Array(12).keys()]) },
    [10, 11, 22, 23, 34, 35, 16, 17, 28, 29, 40, 41],
  ],
  [
    'Mul at the end',
    single('Mul', [2, 2], { broadcast: intAttr(1) }, 6, [TensorData.from('float32', [2], [2, 3])]),
    { x: TensorData.from('float32', [2, 2], [1, 2, 3, 4]) },
    [2, 6, 6, 12],
  ],
  [
    'PRelu by channel',
    single('PRelu', [1, 2, 1, 2], {}, 6, [TensorData.from('float32', [2], [2, 3])]),
    { x: TensorData.from('float32', [1, 2, 1, 2], [-1, 1, -1, -2]) },
    [-2, 1, -3, -6],
  ],
  [
    'Reshape by attribute',
    single('Reshape', [2, 2], { shape: intsAttr([4]), consumed_inputs: intsAttr([0]) }, 1),
    { x: TensorData.from('float32', [2, 2], [1, 2, 3, 4]) },
    [1, 2, 3, 4],
  ],
  ['Cast by word', single('Cast', [2], { to: stringAttr('INT32') }, 1), { x: TensorData.from('float32', [2], [1.5, 2.5]) }, [1, 2]],
  [
    'Concat on axis 1',
    modelOf([makeNode('Concat', ['x', 'x'], ['y'])], { inputs: [value('x', [2, 1])], outputs: ['y'] }, 1),
    { x: TensorData.from('float32', [2, 1], [1, 2]) },
    [1, 1, 2, 2],
  ],
  [
    'Pad by its first name',
    single('Pad', [2], { paddings: intsAttr([1, 0]) }, 1),
    { x: TensorData.from('float32', [2], [1, 2]) },
    [0, 1, 2],
  ],
  [
    'Tile along an axis',
    single('Tile', [2, 1], {}, 1, [TensorData.from('float32', [1], [2]), TensorData.from('float32', [1], [1])]),
    { x: TensorData.from('float32', [2, 1], [1, 2]) },
    [1, 1, 2, 2],
  ],
  [
    'BatchNormalization in test mode',
    modelOf(
      [
        makeNode('BatchNormalization', ['x', 's', 'b', 'm', 'v'], ['y', 'a', 'c', 'd', 'e'], {
          is_test: intAttr(1),
          epsilon: floatAttr(0),
          consumed_inputs: intsAttr([0]),
        }),
      ],
      {
        inputs: [value('x', [1, 2])],
        outputs: ['y'],
        initializers: {
          s: TensorData.from('float32', [2], [2, 3]),
          b: TensorData.from('float32', [2], [1, 1]),
          m: TensorData.from('float32', [2], [1, 2]),
          v: TensorData.from('float32', [2], [4, 1]),
        },
      },
      1,
    ),
    { x: TensorData.from('float32', [1, 2], [3, 3]) },
    [3, 4],
  ],
  [
    'Gemm with broadcast',
    single('Gemm', [1, 2], { broadcast: intAttr(1) }, 6, [
      TensorData.from('float32', [2, 1], [1, 2]),
      TensorData.from('float32', [1], [5]),
    ]),
    { x: TensorData.from('float32', [1, 2], [3, 4]) },
    [16],
  ],
  [
    'ConstantFill',
    single('ConstantFill', [2, 1], { value: floatAttr(7), extra_shape: intsAttr([2]) }, 1),
    { x: TensorData.from('float32', [2, 1], [0, 0]) },
    [7, 7, 7, 7],
  ],
  [
    'Upsample by height and width',
    single('Upsample', [1, 1, 1, 2], { height_scale: floatAttr(2), width_scale: floatAttr(1) }, 1),
    { x: TensorData.from('float32', [1, 1, 1, 2], [1, 2]) },
    [1, 2, 1, 2],
  ],
  [
    'GroupNormalization by group',
    single('GroupNormalization', [1, 4, 2], { num_groups: intAttr(2), epsilon: floatAttr(0) }, 18, [
      TensorData.from('float32', [2], [1, 10]),
      TensorData.from('float32', [2], [0, 100]),
    ]),
    { x: TensorData.from('float32', [1, 4, 2], [-1, 1, -1, 1, 3, 5, 3, 5]) },
    [-1, 1, -1, 1, 90, 110, 90, 110],
  ],
]

describe('definitions that ONNX Runtime has no kernel for', () => {
  it.each(old)('%s', async (_, model, feeds, expected) => {
    const after = upgraded(model)
    const [first] = Object.values(await run(after, feeds))
    expect(Array.from(first!.data as Float32Array, Number).map((v) => Math.round(v * 1e5) / 1e5)).toEqual(expected)
  })

  it('says why it cannot: unknown ranks, statistics by position, saved outputs', () => {
    const why = (model: Model) => upgradeOpset(model).notUpgraded.map((n) => n.reason)
    const unknown = modelOf(
      [
        makeNode('Foo', ['x'], ['f'], {}, { domain: 'd' }),
        makeNode('Add', ['f', 'x'], ['y'], { broadcast: intAttr(1), axis: intAttr(1) }),
      ],
      { inputs: [value('x', [2])], outputs: ['y'] },
      6,
    )
    expect(why(unknown)).toEqual([expect.stringMatching(/ranks of its inputs are not known/)])
    expect(why(single('BatchNormalization', [1, 2], { spatial: intAttr(0) }, 7))).toEqual([expect.stringMatching(/spatial=0/)])
  })

  it('leaves models above the working opset and lists what changed there', () => {
    const model = single('Celu', [2], {}, 28)
    model.graph.nodes.push(makeNode('Abs', ['x'], ['z']))
    const { model: same, notUpgraded } = upgradeOpset(model)
    expect(same).toBe(model)
    expect(notUpgraded.map((n) => [n.op, n.from])).toEqual([['Celu', 28]])
  })
})

describe.skipIf(!real || !bad || !nodeTests)('shared files', () => {
  it.each([
    'maui-tester-model.onnx',
    'ultraface-rfb-320.onnx',
    'bert-tf-keras-qa.onnx',
    'nuphar_tiny_model_with_loop.onnx',
    'magika-standard_v3_3.onnx',
    'super-resolution-pytorch.onnx',
  ])('give the same bits: %s', async (name) => {
    const file = fileNamed(real!, name)
    const session = await open(file)
    const inputs = session.inputMetadata as readonly { name: string; type: string; shape: readonly (number | string)[] }[]
    const feeds = Object.fromEntries(
      inputs.map((i) => [
        i.name,
        noise(
          i.type as 'float32',
          i.shape.map((d) => (typeof d === 'number' && d > 0 ? d : 2)),
        ),
      ]),
    )
    await session.release()
    expectSameBits(await run(upgraded(readModelSync(file)), feeds), await run(file, feeds))
  })

  it('the node tests below the working opset give the same bits', async () => {
    let compared = 0
    for (const file of onnxFiles(nodeTests!)) {
      const model = readModelSync(file)
      // The newest of them change nothing; one in eight keeps this quick.
      const opset = model.opsets.get('') ?? WORKING_OPSET
      if (opset >= 22 || (opset >= 13 && compared++ % 8 !== 0)) continue
      const session = await open(model).catch(() => undefined)
      const feeds = session && feedsFrom(file, session.inputNames)
      await session?.release()
      const expected = feeds && (await run(model, feeds).catch(() => undefined))
      if (!expected) continue
      const { model: after, notUpgraded } = upgradeOpset(model)
      expect(notUpgraded.map((n) => `${basename(dirname(file))}: ${n.reason}`)).toEqual([])
      expectSameBits(await run(after, feeds), expected)
    }
    expect(compared).toBeGreaterThan(100)
  })
})

/** The inputs that come with a node test; undefined where they are no tensors. */
function feedsFrom(file: string, names: readonly string[]): Record<string, TensorData> | undefined {
  const folder = join(dirname(file), 'test_data_set_0')
  const files = new Set(readdirSync(folder))
  const feeds: Record<string, TensorData> = {}
  for (const [i, name] of names.entries()) {
    if (!files.has(`input_${i}.pb`)) return undefined
    try {
      const message = decodeMessage('TensorProto', readFileSync(join(folder, `input_${i}.pb`)), file)
      feeds[name] = tensorOf(message, { file, folder: undefined }, name)
      void feeds[name].bytes
    } catch {
      return undefined
    }
  }
  return feeds
}
