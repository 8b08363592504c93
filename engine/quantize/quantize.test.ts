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
    console.log(ops.join(' '))
    expect(ops.filter((op) => op === 'QLinearConv')).toHaveLength(4)
    expect(ops.filter((op) => op === 'QGemm')).toHaveLength(2)
    expect(ops).toContain('QLinearAdd')
    expect(ops.filter((op) => op === 'QuantizeLinear')).toHaveLength(1)
    expect(ops.filter((op) => op === 'Relu' || op === 'DequantizeLinear' || op === 'Conv' || op === 'Gemm')).toEqual([])
  })
})
