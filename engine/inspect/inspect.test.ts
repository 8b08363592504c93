import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { StillroomError } from '../errors.ts'
import { intAttr, makeGraph, makeModel, makeNode, TensorData, tensorType, type Model } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { sharedData } from '../../tests/shared.ts'
import { inspectModel, probeTypes } from './index.ts'
import { probeFile } from './guard.ts'
import { tracedCnn } from './testModels.ts'

const folder = mkdtempSync(join(tmpdir(), 'stillroom-inspect-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, model: Model): string {
  const path = join(folder, name)
  writeFileSync(path, encodeModel(model))
  return path
}

describe('probing', () => {
  it('finds the type of every value', async () => {
    const { types, unknown } = await probeTypes(tracedCnn())
    const shapes = Object.fromEntries(['c1', 'p1', 'c2', 'f', 'p'].map((v) => [v, types.get(v)?.shape]))
    expect(shapes).toEqual({ c1: [1, 4, 8, 8], p1: [1, 4, 4, 4], c2: [1, 6, 3, 3], f: [1, 54], p: [1, 5] })
    expect(unknown).toEqual([])
  })

  it('runs the model where inference stops, with sizes that it accepts', async () => {
    // y = x reshaped to a shape that is computed from values: [length / 16, 16], so only lengths that 16 divides work.
    const graph = makeGraph('fold')
    graph.inputs = [{ name: 'x', type: tensorType('float32', ['length']) }]
    graph.outputs = [{ name: 'y', type: undefined }]
    graph.initializers.set('parts', TensorData.int64([-1, 16]))
    graph.initializers.set('zero', TensorData.int64([0, 0]))
    graph.nodes = [
      makeNode('NonZero', ['x'], ['nonzero']),
      makeNode('Shape', ['nonzero'], ['count']),
      makeNode('Mul', ['count', 'zero'], ['nothing']),
      makeNode('Add', ['parts', 'nothing'], ['target']),
      makeNode('Reshape', ['x', 'target'], ['y']),
    ]
    const { types, inputs } = await probeTypes(makeModel(graph, 17))
    expect(inputs.get('x')).toEqual([16])
    expect(types.get('y')).toEqual({ dtype: 'float32', shape: [1, 16] })
    expect(types.get('nonzero')).toMatchObject({ dtype: 'int64' })
  })

  it('binds equal names to equal sizes and batches to the batch asked for', async () => {
    const graph = makeGraph('mul')
    graph.inputs = [
      { name: 'a', type: tensorType('float32', ['batch', 'seq', 4]) },
      { name: 'b', type: tensorType('float32', ['batch', 4, 'seq']) },
    ]
    graph.outputs = [{ name: 'y', type: undefined }]
    graph.nodes = [makeNode('MatMul', ['a', 'b'], ['y'])]
    const { types } = await probeTypes(makeModel(graph, 17), { batch: 3 })
    expect(types.get('y')?.shape).toEqual([3, 8, 8])
  })
})

describe('inspect', () => {
  it('counts parameters, multiply-accumulates and memory as the formulas say', async () => {
    const r = await inspectModel(file('cnn.onnx', tracedCnn()))
    expect(r.parameters).toBe(36 + 4 + 96 + 6 + 270 + 5)
    // Output elements times kernel elements of each product.
    expect(r.macs).toBe(4 * 64 * 9 + 6 * 9 * 16 + 54 * 5)
    expect(r.nodes).toBe(9)
    expect(r.ops).toEqual({ Conv: 2, Gemm: 1, Identity: 1, MaxPool: 1, Relu: 2, Reshape: 1, Softmax: 1 })
    // c1 and r1 are the most that is alive at one time: twice 256 floats.
    expect(r.activationBytes).toBe(2 * 256 * 4)
    expect(r.activationTotalBytes).toBe(4 * (2 * 256 + 64 + 2 * 54 + 54 + 3 * 5))
    expect(r.layers[0]).toMatchObject({
      op: 'Conv',
      inputs: [[1, 1, 10, 10], [4, 1, 3, 3], [4]],
      outputs: [[1, 4, 8, 8]],
      parameters: 40,
      bytes: 160,
    })
    expect(r.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: [1, 1, 10, 10] }])
    expect(r.opset).toBe(17)
    expect(r.warnings.join()).toMatch(/fixed batch of 1/)
  })

  it('tells what stops training, and only on the way of the weights', async () => {
    const model = tracedCnn()
    const { graph } = model
    // An operator without a rule, behind a weight and beside the weights.
    const sample = (from: string, to: string) => makeNode('SampleOp', [from], [to], {}, { domain: 'com.microsoft' })
    model.opsets.set('com.microsoft', 1)
    graph.nodes.push(sample('square', 'sampled'), makeNode('MatMul', ['logits', 'w4'], ['square']))
    graph.nodes.splice(-2, 2, graph.nodes.at(-1)!, graph.nodes.at(-2)!)
    graph.initializers.set('w4', TensorData.from('float32', [5, 1], [1, 1, 1, 1, 1]))
    graph.outputs.push({ name: 'sampled', type: undefined })
    graph.nodes.push(sample('xs', 'sampledX'))
    graph.nodes.splice(-1, 0, makeNode('Squeeze', ['x'], ['xs']))
    graph.outputs.push({ name: 'sampledX', type: undefined })
    const r = await inspectModel(file('sample.onnx', model))
    expect(r.differentiable).toBe(false)
    expect(r.missingGradients.map((m) => [m.node, m.op])).toEqual([['sampled', 'com.microsoft.SampleOp']])
    expect(r.missingGradients[0]!.reason).toMatch(/engine\/ops\/rules/)
  })

  it('says why a node is refused that has no name, and what goes into it', async () => {
    const model = tracedCnn()
    model.graph.nodes.splice(1, 0, makeNode('Add', ['c1', 'b1'], ['biased']))
    for (const node of model.graph.nodes) node.name = ''
    const error = await inspectModel(file('bias.onnx', model)).catch((e: unknown) => e as StillroomError)
    expect(error).toMatchObject({ code: 'model', where: "bias.onnx: node 1 'biased' (Add)" })
    expect((error as Error).message).toMatch(/'c1' float32\[1, 4, 8, 8\] and 'b1' float32\[4\]/)
    expect((error as StillroomError).hint).toMatch(/opset 7/)
  })

  it('refuses what is no model', async () => {
    const path = join(folder, 'text.onnx')
    writeFileSync(path, 'no model at all')
    await expect(inspectModel(path)).rejects.toMatchObject({ code: 'model', where: /text\.onnx/ })
    await expect(inspectModel(join(folder, 'absent.onnx'))).rejects.toMatchObject({ code: 'model' })
  })

  it('survives a process that hangs or takes all memory', async () => {
    const path = file('limits.onnx', tracedCnn())
    await expect(probeFile(path, { memoryBytes: 2 ** 30, limitMs: 1 })).rejects.toThrow(/took longer/)
    await expect(probeFile(path, { memoryBytes: 2 ** 20, limitMs: 10_000 })).rejects.toThrow(/MiB of memory/)
  })

  it('is stopped before a small file allocates without end', async () => {
    const graph = makeGraph('huge')
    graph.inputs = [{ name: 'n', type: tensorType('int64', [1]) }]
    graph.outputs = [{ name: 'y', type: undefined }]
    graph.initializers.set('size', TensorData.int64([2 ** 36]))
    graph.nodes = [
      makeNode('Add', ['n', 'size'], ['shape']),
      makeNode('ConstantOfShape', ['shape'], ['zeros']),
      makeNode('ReduceSum', ['zeros'], ['y'], { keepdims: intAttr(0) }),
    ]
    const r = await inspectModel(file('huge.onnx', makeModel(graph, 17))).catch((e: unknown) => e as StillroomError)
    if (r instanceof StillroomError) expect(r.code).toMatch(/model|runtime/)
    else expect(r.macs === null || r.macs === 0).toBe(true)
  })
})

describe('real models', () => {
  const models = sharedData('models.tar.xz')
  it.skipIf(!models)('opens those that ONNX Runtime loads, and says why not the other', { timeout: 60_000 }, async () => {
    const root = join(models!, 'models')
    const r = await inspectModel(join(root, 'mnist-burn-cnn.onnx'))
    // Conv 1-8-16-24 (3x3), two linear layers, two batch norms of four vectors each.
    expect(r.parameters).toBe(r.layers.reduce((n, l) => n + l.parameters, 0))
    expect(r.ops).toMatchObject({ Conv: 3, Gemm: 2, BatchNormalization: 2 })
    await expect(inspectModel(join(root, 'starry-night-fp16.onnx'))).rejects.toMatchObject({
      code: 'model',
      message: /'64' float16\[1, 32, 224, 224\] and '2' float16\[32\]/,
    })
  })

  const bad = sharedData('bad.tar.xz')
  it.skipIf(!bad)('opens or refuses every malformed file, in one line', { timeout: 120_000 }, async () => {
    const files = readdirSync(bad!, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.onnx'))
    expect(files.length).toBeGreaterThan(20)
    const outcomes = new Map<string, unknown>()
    const next = files.values()
    const worker = async () => {
      for (const f of next)
        outcomes.set(
          f,
          await inspectModel(join(bad!, f)).then(
            () => undefined,
            (e: unknown) => e,
          ),
        )
    }
    await Promise.all([worker(), worker(), worker()])
    for (const [f, error] of outcomes) {
      if (error === undefined) continue
      expect(error, f).toBeInstanceOf(StillroomError)
      expect(['model', 'unsupported'], `${f}: ${(error as Error).message}`).toContain((error as StillroomError).code)
      expect((error as Error).message, f).not.toMatch(/\n/)
    }
  })
})
