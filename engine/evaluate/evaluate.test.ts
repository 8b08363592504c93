import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openDataSet, type DataSet, type RawBatch } from '../data/index.ts'
import { intsAttr, makeGraph, makeModel, makeNode, TensorData, tensorType, type Model } from '../ir/index.ts'
import { sharedData } from '../../tests/shared.ts'
import { choosePreprocess, evaluateModel, openPredictor } from './index.ts'

/** Samples [a, b, c]; the class is the place of the largest, except for every fifth sample. */
function vectors(count: number): DataSet {
  const values = Float32Array.from({ length: count * 3 }, (_, i) => Math.sin(i * 12.9898))
  const labels = Int32Array.from({ length: count }, (_, n) => {
    const row = [...values.subarray(n * 3, n * 3 + 3)]
    const best = row.indexOf(Math.max(...row))
    return n % 5 === 0 ? (best + 1) % 3 : best
  })
  return {
    name: 'vectors',
    format: 'test',
    kind: 'tensor',
    length: count,
    sample: { shape: [3], dtype: 'float32' },
    labelled: true,
    classes: ['a', 'b', 'c'],
    labels,
    warnings: [],
    contentHash: () => Promise.resolve('0'),
    read(indices): Promise<RawBatch> {
      const picked = new Float32Array(indices.length * 3)
      indices.forEach((at, i) => picked.set(values.subarray(at * 3, at * 3 + 3), i * 3))
      return Promise.resolve({
        kind: 'tensor',
        count: indices.length,
        shape: [3],
        values: picked,
        labels: indices.map((i) => labels[i]!),
      })
    },
  }
}

/** Softmax of x @ w, with the batch as given. */
function linear(w: readonly number[], batch: number | string = 'batch'): Model {
  const graph = makeGraph('linear')
  graph.inputs = [{ name: 'x', type: tensorType('float32', [batch, 3]) }]
  graph.outputs = [{ name: 'p', type: tensorType('float32', [batch, 3]) }]
  graph.initializers.set('w', TensorData.from('float32', [3, 3], w))
  graph.nodes = [makeNode('MatMul', ['x', 'w'], ['z']), makeNode('Softmax', ['z'], ['p'])]
  return makeModel(graph, 17)
}
const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1]
const all = (n: number) => Int32Array.from({ length: n }, (_, i) => i)

describe('evaluate', () => {
  it('counts what is right, over batches of uneven size', async () => {
    const model = await openPredictor(linear(IDENTITY))
    const r = await evaluateModel({ model, dataset: vectors(103), indices: all(103), batch: 10 })
    // Samples 0, 5, …, 100 carry a wrong label: 21 of 103.
    expect(r.samples).toBe(103)
    expect(r.metrics['top1']!.value).toBeCloseTo(82 / 103, 12)
    expect(r.metrics['agreement']).toBeUndefined()
    await model.release()
  })

  it('compares with another model on the same samples', async () => {
    const model = await openPredictor(linear(IDENTITY))
    const scaled = await openPredictor(linear(IDENTITY.map((v) => 3 * v)))
    const turned = await openPredictor(linear([0, 1, 0, 0, 0, 1, 1, 0, 0]))
    const same = await evaluateModel({ model, against: scaled, dataset: vectors(50), indices: all(50) })
    expect(same.metrics['agreement']!.value).toBe(1)
    expect(same.against!['top1']!.value).toBe(same.metrics['top1']!.value)
    const other = await evaluateModel({ model, against: turned, dataset: vectors(50), indices: all(50) })
    expect(other.metrics['agreement']!.value).toBe(0)
    for (const p of [model, scaled, turned]) await p.release()
  })

  it('runs a model of fixed batch in groups', async () => {
    // The sum over a batch of 4 is part of every answer: the batch cannot be freed.
    const fixed = linear(IDENTITY, 4)
    fixed.graph.nodes.splice(
      1,
      0,
      makeNode('ReduceSum', ['z', 'axis'], ['s'], {}),
      makeNode('Mul', ['s', 'zero'], ['s0']),
      makeNode('Expand', ['s0', 'four'], ['s4']),
      makeNode('Add', ['z', 's4'], ['zz']),
    )
    fixed.graph.nodes.at(-1)!.inputs[0] = 'zz'
    fixed.graph.initializers.set('axis', TensorData.int64([0]))
    fixed.graph.initializers.set('zero', TensorData.scalar('float32', 0))
    fixed.graph.initializers.set('four', TensorData.int64([4, 3]))
    const model = await openPredictor(fixed)
    const free = await openPredictor(linear(IDENTITY))
    expect(model.mode).toBe('sample by sample')
    expect(model.warnings.join()).toMatch(/batch size/)
    const x = Float32Array.from({ length: 18 }, (_, i) => Math.cos(i))
    expect([...(await model.predict(x, 6)).logits]).toEqual([...(await free.predict(x, 6)).logits])
    for (const p of [model, free]) await p.release()
  })

  it('refuses labels that the model has no output for', async () => {
    const set = vectors(5)
    set.labels![3] = 7
    const model = await openPredictor(linear(IDENTITY))
    await expect(evaluateModel({ model, dataset: set, indices: all(5) })).rejects.toMatchObject({
      code: 'data',
      message: /label 7/,
    })
    await model.release()
  })

  it('refuses data that lacks an input of the model', async () => {
    const model = linear(IDENTITY)
    model.graph.inputs.push({ name: 'w2', type: tensorType('float32', [3, 3]) })
    const several = await openPredictor(model)
    await expect(evaluateModel({ model: several, dataset: vectors(5), indices: all(5) })).rejects.toMatchObject({
      code: 'model',
      message: /takes x, w2; the data has x, nothing for/,
    })
    await several.release()
  })
})

describe('preprocessing', () => {
  const plain = (channels: number, metadata: [string, string][] = []): Model => {
    const graph = makeGraph('image')
    graph.inputs = [{ name: 'x', type: tensorType('float32', ['batch', channels, 32, 32]) }]
    graph.outputs = [{ name: 'y', type: tensorType('float32', ['batch', channels]) }]
    graph.nodes = [makeNode('ReduceMean', ['x'], ['y'], { axes: intsAttr([2, 3]), keepdims: { type: 'int', value: 0 } })]
    return makeModel(graph, 13, { metadata: new Map(metadata) })
  }

  it('takes what the model file says', async () => {
    const set = await openDataSet('builtin:shapes')
    const stored = { channels: 'rgb', size: [32, 32], resize: 'stretch', mean: [0.1, 0.2, 0.3], std: [1, 1, 1] }
    const model = await openPredictor(plain(3, [['stillroom.preprocess', JSON.stringify(stored)]]))
    const chosen = await choosePreprocess(model, set)
    expect(chosen).toMatchObject({ source: 'metadata', preprocess: { mean: [0.1, 0.2, 0.3], layout: 'NCHW' } })
    await model.release()
  })

  it('takes what the person says, and knows the names', async () => {
    const set = await openDataSet('builtin:shapes')
    const model = await openPredictor(plain(3))
    const chosen = await choosePreprocess(model, set, { wanted: 'imagenet' })
    expect(chosen).toMatchObject({ source: 'given', preprocess: { size: [32, 32], mean: [0.485, 0.456, 0.406] } })
    await expect(choosePreprocess(model, set, { wanted: 'imagnet' })).rejects.toMatchObject({ code: 'option', message: /imagenet/ })
    await model.release()
  })

  const models = sharedData('models.tar.xz')
  const digits = sharedData('t10k-images-idx3-ubyte.gz')
  it.skipIf(!models || !digits)('finds the normalisation of a real teacher, without labels too', { timeout: 60_000 }, async () => {
    const model = await openPredictor(join(models!, 'models', 'mnist-burn-cnn.onnx'))
    const set = await openDataSet(digits!)
    const blind = await choosePreprocess(model, set, { labels: false })
    expect(blind).toMatchObject({ source: 'ranked', preprocess: { mean: [0.1307], std: [0.3081] } })
    expect(blind.ranking![0]!.accuracy).toBeUndefined()
    const indices = Int32Array.from({ length: 1000 }, (_, i) => i)
    const right = await evaluateModel({ model, dataset: set, indices, preprocess: blind.preprocess, metrics: ['top1'] })
    expect(right.metrics['top1']!.value).toBeGreaterThan(0.98)
    const { preprocess: wrong } = await choosePreprocess(model, set, { wanted: 'unit' })
    const worse = await evaluateModel({ model, dataset: set, indices, preprocess: wrong, metrics: ['top1'] })
    expect(worse.metrics['top1']!.value).toBeLessThan(0.8)
    await model.release()
  })
})
