import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  floatAttr,
  intsAttr,
  makeGraph,
  makeModel,
  makeNode,
  sizeOf,
  TensorData,
  tensorType,
  verify,
  type Model,
} from '../ir/index.ts'
import { decodeModel } from '../onnx/index.ts'
import { random } from '../random.ts'
import { createSession, Value } from '../session/index.ts'
import { compare } from './calibrate.ts'
import { quantizeModel, type QuantizeOptions } from './quantizeModel.ts'

const draw = random(3, 'quantize')
let drawn = 0
const normal = (dims: number[], deviation: number): TensorData =>
  TensorData.from(
    'float32',
    dims,
    Array.from({ length: sizeOf(dims) }, () => deviation * draw.normal(drawn++)),
  )

/** conv-norm-relu, residual block, pools, concat, flatten, gemm-relu, gemm, softmax: what a small image classifier has. */
function smallCnn(opset = 17): Model {
  drawn = 0
  const graph = makeGraph('small')
  const weights: Record<string, TensorData> = {
    w1: normal([8, 3, 3, 3], 0.3),
    scale: TensorData.from('float32', [8], [1, 2, 0.5, 1, 1.5, 1, 0.7, 1]),
    shift: normal([8], 0.2),
    mean: normal([8], 0.2),
    variance: TensorData.from('float32', [8], [1, 2, 1, 0.5, 1, 3, 1, 1]),
    w2: normal([8, 8, 3, 3], 0.15),
    b2: normal([8], 0.1),
    w3: normal([4, 8, 1, 1], 0.4),
    w4: normal([4, 8, 1, 1], 0.4),
    w5: normal([16, 8], 0.3),
    b5: normal([16], 0.1),
    w6: normal([16, 5], 0.3),
    b6: normal([5], 0.1),
  }
  const pads = intsAttr([1, 1, 1, 1])
  const two = { kernel_shape: intsAttr([2, 2]), strides: intsAttr([2, 2]) }
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3, 16, 16]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 5]) }]
  graph.initializers = new Map(Object.entries(weights))
  graph.nodes = [
    makeNode('Conv', ['x', 'w1'], ['c1'], { pads }, { name: 'conv1' }),
    makeNode('BatchNormalization', ['c1', 'scale', 'shift', 'mean', 'variance'], ['n1'], { epsilon: floatAttr(1e-5) }),
    makeNode('Relu', ['n1'], ['r1']),
    makeNode('Conv', ['r1', 'w2', 'b2'], ['c2'], { pads }, { name: 'conv2' }),
    makeNode('Add', ['c2', 'r1'], ['a2']),
    makeNode('Relu', ['a2'], ['r2']),
    makeNode('MaxPool', ['r2'], ['p2'], two),
    makeNode('Conv', ['p2', 'w3'], ['c3'], {}, { name: 'conv3' }),
    makeNode('Conv', ['p2', 'w4'], ['c4'], {}, { name: 'conv4' }),
    makeNode('Concat', ['c3', 'c4'], ['k'], { axis: { type: 'int', value: 1 } }),
    makeNode('AveragePool', ['k'], ['p3'], two),
    makeNode('GlobalAveragePool', ['p3'], ['g']),
    makeNode('Flatten', ['g'], ['f']),
    makeNode('Gemm', ['f', 'w5', 'b5'], ['h'], { transB: { type: 'int', value: 1 } }, { name: 'fc1' }),
    makeNode('Relu', ['h'], ['hr']),
    makeNode('Gemm', ['hr', 'w6', 'b6'], ['z'], {}, { name: 'fc2' }),
    makeNode('Softmax', ['z'], ['y'], { axis: { type: 'int', value: 1 } }),
  ]
  return makeModel(graph, opset)
}

// Far from the weights' draws.
drawn = 1e6
const batches = Array.from({ length: 4 }, () => ({ x: Value.fromTensor(normal([8, 3, 16, 16], 1)) }))
const samples: QuantizeOptions['samples'] = async function* () {
  yield* batches
}

async function optimizedOps(model: Model): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'stillroom-quantize-'))
  try {
    const path = join(folder, 'optimized.onnx')
    // 'extended': beyond it convolutions would be laid out for this processor.
    await (await createSession(model, { level: 'extended', save: { path, format: 'onnx' }, threads: 1 })).release()
    return decodeModel(readFileSync(path)).graph.nodes.map((n) => n.op)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

describe('static int8', () => {
  it('stays close to the float model, layer by layer', async () => {
    const { model, layers, warnings } = await quantizeModel(smallCnn(), { samples, threads: 1 })
    expect(verify(model)).toEqual([])
    expect(warnings).toEqual([])
    expect(layers.map((l) => [l.name, l.precision])).toEqual(
      ['conv1', 'conv2', 'conv3', 'conv4', 'fc1', 'fc2'].map((n) => [n, 'int8']),
    )
    for (const layer of layers) {
      expect(layer.sqnr).toBeGreaterThan(25)
      expect(layer.sqnr).toBeLessThan(60)
      expect(layer.weightSqnr).toBeGreaterThan(35)
    }
  })

  it('is taken up by the integer kernels', async () => {
    const { model } = await quantizeModel(smallCnn(), { samples, threads: 1 })
    const ops = await optimizedOps(model)
    expect(ops.filter((op) => op === 'QLinearConv')).toHaveLength(4)
    expect(ops.filter((op) => op === 'QGemm')).toHaveLength(2)
    expect(ops).toContain('QLinearAdd')
    expect(ops.filter((op) => op === 'QuantizeLinear')).toHaveLength(1)
    expect(ops.filter((op) => op === 'Relu' || op === 'DequantizeLinear' || op === 'Conv' || op === 'Gemm')).toEqual([])
  })

  it('keeps outputs and names, and folds batch norms', async () => {
    const source = smallCnn()
    const { model, rewrites } = await quantizeModel(source, { samples, threads: 1 })
    expect(source.graph.nodes).toHaveLength(17)
    expect(rewrites.find((r) => r.pass === 'fold-batch-norm')!.report).toEqual({ changed: 1, refused: [] })
    expect([model.graph.inputs, model.graph.outputs]).toEqual([source.graph.inputs, source.graph.outputs])
    const floats = [...model.graph.initializers.values()].filter((t) => t.dtype === 'float32' && t.size > 16)
    expect(floats).toEqual([])
  })

  it('gets worse with ranges that are too narrow or too wide', async () => {
    const last = async (change: (v: number) => number) => {
      const altered: QuantizeOptions['samples'] = async function* () {
        for (const { x } of batches) yield { x: Value.from('float32', x.dims, x.numbers().map(change)) }
      }
      const { model } = await quantizeModel(smallCnn(), { samples: altered, threads: 1 })
      const noise = await compare(smallCnn(), model, new Set(['z']), samples, { threads: 1 })
      return noise.get('z')!
    }
    const right = await last((v) => v)
    expect(await last((v) => v * 16)).toBeLessThan(right - 10)
    expect(await last((v) => v / 16)).toBeLessThan(right - 10)
  })

  it('loses less with a scale for each channel', async () => {
    const uneven = smallCnn()
    const w2 = uneven.graph.initializers.get('w2')!
    const scaled = Float64Array.from(w2.numbers()).map((v, i) => v * 4 ** (Math.floor(i / 72) % 4))
    uneven.graph.initializers.set('w2', TensorData.from('float32', w2.dims, scaled))
    const of = async (granularity: 'per-channel' | 'per-tensor') =>
      (await quantizeModel(uneven, { samples, granularity, threads: 1 })).layers.find((l) => l.name === 'conv2')!
    const [channel, tensor] = [await of('per-channel'), await of('per-tensor')]
    expect(channel.weightSqnr!).toBeGreaterThan(tensor.weightSqnr!)
    // One scale for all weights: the quantizer of equal steps over +-max, 10 log10(12 * 127^2 * power / max^2).
    const max = scaled.reduce((m, v) => Math.max(m, Math.abs(v)), 0)
    const power = scaled.reduce((sum, v) => sum + v * v, 0) / scaled.length
    expect(tensor.weightSqnr!).toBeCloseTo(10 * Math.log10((12 * 127 ** 2 * power) / max ** 2), 0)
  })

  it.each(['percentile', 'entropy', 'mse'])('calibrates with %s', async (calibration) => {
    const { layers } = await quantizeModel(smallCnn(), { samples, calibration, threads: 1 })
    for (const layer of layers) expect(layer.sqnr).toBeGreaterThan(20)
  })

  it('quantizes with unsigned weights and with 7-bit weights', async () => {
    const [full, unsigned, reduced] = [
      await quantizeModel(smallCnn(), { samples, threads: 1 }),
      await quantizeModel(smallCnn(), { samples, threads: 1, scheme: 'uint8' }),
      await quantizeModel(smallCnn(), { samples, threads: 1, reduceRange: true }),
    ]
    const weight = (q: { model: Model }) => q.model.graph.initializers.get('conv2/weight/quantized')!
    expect([weight(full).dtype, weight(unsigned).dtype]).toEqual(['int8', 'uint8'])
    expect(Float64Array.from(weight(reduced).numbers()).reduce((m, v) => Math.max(m, Math.abs(v)), 0)).toBe(64)
    full.layers.forEach((layer, i) => {
      expect(unsigned.layers[i]!.sqnr).toBeCloseTo(layer.sqnr!, 1)
      // One bit less: about 6 dB.
      expect(layer.weightSqnr! - reduced.layers[i]!.weightSqnr!).toBeGreaterThan(4)
    })
    const ops = await optimizedOps(unsigned.model)
    expect(ops.filter((op) => op === 'QLinearConv')).toHaveLength(4)
  })

  it('writes models older than opset 13 in operators of ONNX Runtime', async () => {
    const { model, warnings } = await quantizeModel(smallCnn(12), { samples, threads: 1 })
    expect(warnings).toEqual([expect.stringContaining('opset 12')])
    expect(model.opsets.get('com.microsoft')).toBe(1)
    expect((await optimizedOps(model)).filter((op) => op === 'QLinearConv')).toHaveLength(4)
  })

  it('absorbs Clip as it does Relu, and shares no scale between cut and uncut values', async () => {
    const source = smallCnn()
    const relu = source.graph.nodes.find((n) => n.outputs[0] === 'r2')!
    Object.assign(relu, { op: 'Clip', inputs: ['a2', 'low', 'high'] })
    source.graph.initializers.set('low', TensorData.scalar('float32', 0)).set('high', TensorData.scalar('float32', 1.5))
    // One side of the Concat is cut at 0, the other is not.
    source.graph.nodes.splice(8, 0, makeNode('Relu', ['c3'], ['c3r']))
    source.graph.nodes.find((n) => n.op === 'Concat')!.inputs[0] = 'c3r'
    const { model, layers, activations } = await quantizeModel(source, { samples, threads: 1 })
    expect(model.graph.nodes.filter((n) => n.op === 'Clip' || n.op === 'Relu')).toEqual([])
    expect(activations.find((a) => a.values.includes('r2'))).toMatchObject({ values: ['p2', 'r2'], min: 0, max: 1.5, zero: 0 })
    expect(activations.find((a) => a.values.includes('c3r'))).toMatchObject({ values: ['c3r'], min: 0, zero: 0 })
    for (const layer of layers) expect(layer.sqnr).toBeGreaterThan(22)
    const ops = await optimizedOps(model)
    expect(ops.filter((op) => op === 'QLinearConv')).toHaveLength(4)
    expect(ops).toContain('QLinearConcat')
  })

  it('leaves in float what has no integer kernel, and says why', async () => {
    const graph = makeGraph('attention')
    graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 6]) }]
    graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 'n']) }]
    graph.initializers = new Map([
      ['w', normal([6, 6], 1)],
      ['b', normal([6], 1)],
    ])
    graph.nodes = [
      makeNode('MatMul', ['x', 'w'], ['h'], {}, { name: 'project' }),
      makeNode('Add', ['h', 'b'], ['k']),
      makeNode('Transpose', ['k'], ['t']),
      makeNode('MatMul', ['k', 't'], ['y'], {}, { name: 'scores' }),
    ]
    const x = Value.fromTensor(normal([7, 6], 1))
    const { layers, model } = await quantizeModel(makeModel(graph, 17), {
      async *samples() {
        yield { x }
      },
      threads: 1,
    })
    expect(layers.map((l) => [l.name, l.precision, l.reason])).toEqual([
      ['project', 'int8', undefined],
      ['scores', 'float32', 'both sides are activations'],
    ])
    const ops = await optimizedOps(model)
    expect(ops).toContain('QGemm')
    expect(ops).toContain('FusedMatMul')
  })

  it('refuses unknown names, no samples and nothing to do', async () => {
    const none: QuantizeOptions['samples'] = async function* () {}
    await expect(quantizeModel(smallCnn(), { samples, scheme: 'int3' })).rejects.toMatchObject({ code: 'option', where: 'scheme' })
    await expect(quantizeModel(smallCnn(), { samples: none })).rejects.toMatchObject({ code: 'option' })
    const graph = makeGraph('empty')
    graph.inputs = [{ name: 'x', type: tensorType('float32', [1, 2]) }]
    graph.outputs = [{ name: 'y', type: tensorType('float32', [1, 2]) }]
    graph.nodes = [makeNode('Relu', ['x'], ['y'])]
    await expect(quantizeModel(makeModel(graph, 17), { samples })).rejects.toMatchObject({ code: 'unsupported' })
  })
})
