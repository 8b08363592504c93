import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { floatAttr, intAttr, intsAttr, makeGraph, makeModel, makeNode, TensorData, tensorType, type Model } from '../ir/index.ts'
import { createSession, Value } from '../session/index.ts'
import { sharedData } from '../../tests/shared.ts'
import { featureTaps, findLogits, logitsTap, prepare, prepareModel, rebatch } from './index.ts'
import { tracedCnn } from './testModels.ts'

/** Runs the model on `n` different samples. */
async function run(model: Model, n: number, first = 0): Promise<number[]> {
  const session = await createSession(model, { threads: 1 })
  const x = Float32Array.from({ length: n * 100 }, (_, i) => Math.sin(first * 100 + i))
  const { p } = await session.run({ x: Value.of('float32', [n, 1, 10, 10], x) }, ['p'])
  await session.release()
  return Array.from(p!.data, Number)
}

describe('rebatch', () => {
  it('frees a batch that is written into a Reshape', async () => {
    const fixed = tracedCnn()
    const free = await rebatch(fixed)
    expect(free.graph.inputs[0]!.type).toEqual(tensorType('float32', ['batch', 1, 10, 10]))
    const together = await run(free, 4)
    for (let i = 0; i < 4; i++) {
      const alone = await run(fixed, 1, i)
      alone.forEach((v, k) => expect(together[i * 5 + k]).toBeCloseTo(v, 5))
    }
    // The model given is not changed.
    expect(fixed.graph.inputs[0]!.type).toEqual(tensorType('float32', [1, 1, 10, 10]))
    await expect(run(fixed, 2)).rejects.toThrow(/expected float32\[1, 1, 10, 10\]/)
  })

  it('frees a batch of 4 as well, and a Reshape that folds the batch into another dimension', async () => {
    const model = tracedCnn(4)
    const { graph } = model
    graph.initializers.set('rows', TensorData.int64([24, 9]))
    graph.initializers.set('flat', TensorData.int64([4, 54]))
    const at = graph.nodes.findIndex((n) => n.op === 'Reshape')
    // [4, 6, 3, 3] - [24, 9] - [4, 54]: the first of the two does not lead with the batch.
    graph.initializers.set('rows', TensorData.int64([-1, 9]))
    graph.nodes[at]!.inputs[0] = 'folded'
    graph.nodes.splice(at, 0, makeNode('Reshape', ['r2', 'rows'], ['folded']))
    const free = await rebatch(model)
    expect((await run(free, 3)).length).toBe(15)
  })

  it('returns a model whose batch is free as it is', async () => {
    const free = await rebatch(tracedCnn())
    expect(await rebatch(free)).toBe(free)
  })

  it('refuses a model whose samples influence each other', async () => {
    const model = tracedCnn()
    const { graph } = model
    graph.nodes.splice(
      1,
      1,
      makeNode('BatchNormalization', ['c1', 'b1', 'b1', 'b1', 'var'], ['r1', 'm', 'v'], {
        training_mode: intAttr(1),
        epsilon: floatAttr(1e-5),
      }),
    )
    graph.initializers.set('var', TensorData.from('float32', [4], [1, 1, 1, 1]))
    await expect(rebatch(model)).rejects.toMatchObject({ code: 'unsupported', message: /differs by/ })
  })

  it('refuses a model that mixes the batch into something fixed', async () => {
    const graph = makeGraph('concat')
    graph.inputs = [{ name: 'x', type: tensorType('float32', [1, 4]) }]
    graph.outputs = [{ name: 'y', type: tensorType('float32', [1, 5]) }]
    graph.initializers.set('token', TensorData.from('float32', [1, 1], [1]))
    graph.nodes = [makeNode('Concat', ['token', 'x'], ['y'], { axis: intAttr(1) })]
    const model = makeModel(graph, 17)
    await expect(rebatch(model)).rejects.toMatchObject({ code: 'unsupported' })
    const prepared = await prepare(model)
    expect(prepared.batch).toBe(1)
    expect(prepared.warnings.join()).toMatch(/batch size of this model cannot be changed/)
  })
})

describe('prepare', () => {
  it('brings a model to the working opset', async () => {
    const { model, batch, warnings } = await prepare(tracedCnn())
    expect(model.opsets.get('')).toBe(23)
    expect(batch).toBe('free')
    expect(warnings).toEqual([])
  })

  const models = sharedData('models.tar.xz')
  it.skipIf(!models)('frees the batch of a real teacher', { timeout: 30_000 }, async () => {
    const { model, batch } = await prepareModel(join(models!, 'models', 'mnist-burn-cnn.onnx'))
    expect(batch).toBe('free')
    expect(findLogits(model)).toMatchObject({ behind: 'LogSoftmax', output: '33' })
  })
})

describe('taps', () => {
  it('finds the logits behind a softmax and what only reshapes it', () => {
    expect(findLogits(tracedCnn())).toEqual({ value: 'logits', behind: 'Softmax', output: 'p' })
    const plain = tracedCnn()
    plain.graph.nodes.splice(-2)
    plain.graph.outputs = [{ name: 'logits', type: tensorType('float32', [1, 5]) }]
    expect(logitsTap(plain)).toBe('logits')
  })

  it('does not look behind what changes the numbers', () => {
    const model = tracedCnn()
    model.graph.nodes.splice(-1, 1, makeNode('Neg', ['soft'], ['p']))
    expect(logitsTap(model)).toBe('p')
  })

  it('prefers the output that ends in a softmax', () => {
    const model = tracedCnn()
    model.graph.outputs.unshift({ name: 'f', type: tensorType('float32', [1, 54]) })
    expect(findLogits(model).output).toBe('p')
    expect(logitsTap(model, 'f')).toBe('f')
  })

  it('lists the last activation or residual sum of every resolution', async () => {
    const model = tracedCnn()
    const { graph } = model
    // A residual sum after the first Relu takes its place.
    graph.nodes.splice(
      2,
      0,
      makeNode('Conv', ['r1', 'w4'], ['c4'], { kernel_shape: intsAttr([1, 1]) }),
      makeNode('Add', ['c4', 'r1'], ['sum']),
    )
    graph.initializers.set('w4', TensorData.from('float32', [4, 4, 1, 1], new Array<number>(16).fill(0.1)))
    graph.nodes.find((n) => n.op === 'MaxPool')!.inputs[0] = 'sum'
    expect(await featureTaps(model)).toEqual([
      { name: 'sum', shape: [1, 4, 8, 8], stage: 0 },
      { name: 'r2', shape: [1, 6, 3, 3], stage: 1 },
    ])
  })

  it('takes the taps that a model names itself', async () => {
    const model = tracedCnn()
    model.metadata.set('stillroom.taps', 'p1,f')
    expect((await featureTaps(model)).map((t) => t.name)).toEqual(['p1', 'f'])
  })
})
