import { describe, expect, it } from 'vitest'
import type { Model } from '../ir/index.ts'
import { encodeModel } from '../onnx/index.ts'
import { random } from '../random.ts'
import { createSession, Value } from '../session/index.ts'
import { buildTemplate, templateNames, templates, type TemplateShape } from './index.ts'

type Image = readonly number[]
const MNIST: Image = [1, 28, 28]
const CIFAR: Image = [3, 32, 32]

/** Parameters that an optimizer would train: running statistics, settings (single numbers) and shapes do not count. */
const trainable = ({ graph }: Model): number => {
  const statistics = new Set(
    graph.nodes.flatMap((n) => (n.op === 'BatchNormalization' ? n.inputs.slice(3) : n.op === 'Clip' ? n.inputs.slice(1) : [])),
  )
  return [...graph.initializers].reduce(
    (n, [name, data]) => n + (statistics.has(name) || data.size === 1 || data.dtype !== 'float32' ? 0 : data.size),
    0,
  )
}
const stored = ({ graph }: Model): number => [...graph.initializers.values()].reduce((n, data) => n + data.size, 0)
const shapeOf = ({ graph }: Model, value: string) => {
  const type = graph.values.get(value)?.type
  return type?.kind === 'tensor' ? type.shape : undefined
}
const template = (spec: string, input: Image = CIFAR, classes = 10, seed = 1): Model =>
  buildTemplate(spec, { input, classes, seed })

describe('published sizes', () => {
  /** He et al. 2016, table 6: 0.27 M for 20 layers, 0.46 M for 32. */
  const cifarResnet = (n: number): number => {
    const norm = (c: number) => 2 * c
    const stage = (from: number, c: number) => 9 * from * c + (2 * n - 1) * 9 * c * c + 2 * n * norm(c)
    const projection = (from: number, c: number) => from * c + norm(c)
    return (
      27 * 16 + norm(16) + stage(16, 16) + stage(16, 32) + projection(16, 32) + stage(32, 64) + projection(32, 64) + 64 * 10 + 10
    )
  }
  it.each([
    ['resnet-8', 1],
    ['resnet-14', 2],
    ['resnet-20', 3],
    ['resnet-32', 5],
  ])('%s', (name, n) => expect(trainable(template(name))).toBe(cifarResnet(n)))

  it('resnet-20 and resnet-32 are those of the paper and the projections', () => {
    // 269,722 and 464,154 with parameter-free shortcuts (the paper's 0.27 M and 0.46 M); two projections add 2,752.
    expect(trainable(template('resnet-20'))).toBe(269_722 + 2_752)
    expect(trainable(template('resnet-32'))).toBe(464_154 + 2_752)
  })

  it('mobilenet-v2', () => {
    // Known count of the original at 1,000 classes; the paper says 3.4 M.
    const model = template('mobilenet-v2', [3, 224, 224], 1000)
    expect(trainable(model)).toBe(3_504_872)
    expect(shapeOf(model, 'head')).toEqual(['batch', 1280, 7, 7])
    expect(model.graph.nodes.filter((n) => n.op === 'Conv')).toHaveLength(52)
  })

  it('mobilenet-v2 keeps a map of about 4 x 4 of small images', () => {
    expect(shapeOf(template('mobilenet-v2'), 'head')).toEqual(['batch', 1280, 4, 4])
    expect(shapeOf(template('mobilenet-v2', [3, 64, 64]), 'head')).toEqual(['batch', 1280, 4, 4])
    expect(shapeOf(template('mobilenet-v2', MNIST), 'head')).toEqual(['batch', 1280, 4, 4])
    expect(template('mobilenet-v2:0.5').graph.initializers.get('stem.conv.weight')?.dims).toEqual([16, 3, 3, 3])
  })

  it('small-cnn and mlp', () => {
    expect(stored(template('small-cnn', MNIST))).toBe(17_242)
    expect(trainable(template('mlp:64,32', MNIST))).toBe(784 * 64 + 64 + 64 * 32 + 32 + 32 * 10 + 10)
  })

  it('vit-tiny is DeiT-Ti without its class token', () => {
    // 5,717,416 (Touvron et al. 2021, 5.7 M) less the token and its place, at 224 pixels, 16 each, and 1,000 classes.
    expect(trainable(template('vit-tiny', [3, 224, 224], 1000))).toBe(5_717_416 - 2 * 192)
  })

  it('bert-mini is the published one', () => {
    // 11,170,560 (Turc et al. 2019, 11.2 M) and the classifier's two rows, with its vocabulary and 512 places.
    const inputs = ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({ name, shape: [1, 512] }))
    const model = buildTemplate('bert-mini', { kind: 'tokens', input: [512], inputs, vocabulary: 30_522, classes: 2, seed: 1 })
    expect(trainable(model)).toBe(11_170_560 + 2 * 256 + 2)
  })

  it('gcn is that of the paper for a set of 1,433 features and 7 classes', () => {
    const model = buildTemplate('gcn', { kind: 'graph', input: [1433], classes: 7, seed: 1 })
    expect(trainable(model)).toBe(1433 * 16 + 16 + 16 * 7 + 7)
    expect(model.graph.nodes.filter((n) => n.op === 'Dropout')).toHaveLength(2)
  })

  it('ds-cnn and lstm-kws have the layers of the paper', () => {
    const spectrogram: Image = [1, 49, 10]
    const block = 64 * 9 + 64 * 64 + 4 * 64
    expect(trainable(template('ds-cnn', spectrogram, 12))).toBe(64 * 40 + 128 + 4 * block + 64 * 12 + 12)
    expect(shapeOf(template('ds-cnn', spectrogram, 12), 'stem')).toEqual(['batch', 64, 25, 5])
    expect(trainable(template('lstm-kws', spectrogram, 12))).toBe(4 * 118 * (10 + 118 + 2) + 118 * 12 + 12)
  })

  it('of numbers to predict answers in their unit at once', async () => {
    const output = { mean: [1000, -5], std: [100, 0.1] }
    const model = buildTemplate('mlp:4', { kind: 'table', input: [3], classes: 2, seed: 1, target: 'values', output })
    const session = await createSession(encodeModel(model), { threads: 1 })
    const { values } = await session.run({ input: Value.of('float32', [1, 3], Float32Array.of(0, 0, 0)) })
    expect(Array.from(values!.data, Number)).toEqual([1000, -5])
    await session.release()
  })

  it('resnets of large images enter through a 7x7 stem', () => {
    const model = template('resnet-8', [3, 224, 224])
    expect(model.graph.initializers.get('stem.conv.weight')?.dims).toEqual([16, 3, 7, 7])
    expect(shapeOf(model, 'stage1.block0')).toEqual(['batch', 16, 56, 56])
  })
})

/** Samples that each template takes: images, texts of 12 tokens, or graphs of 9 features. */
const shapesFor = (name: string): TemplateShape[] => {
  const { takes, pixels } = templates.find((t) => t.names.includes(name))!
  if (takes === 'tokens') {
    const inputs = ['input_ids', 'attention_mask', 'token_type_ids'].map((input) => ({ name: input, shape: [1, 12] }))
    return [{ kind: 'tokens', input: [12], inputs, vocabulary: 50, classes: 3, seed: 1 }]
  }
  if (takes === 'graph') return [{ kind: 'graph', input: [9], classes: 4, seed: 1 }]
  return [MNIST, CIFAR].map((input, i) => ({ input, classes: [10, 7][i]!, seed: 1, ...(pixels ? { target: 'map' } : {}) }))
}

/** Feeds for `count` samples; sample n is the same whatever `count` is. */
const feedsFor = ({ kind, input }: TemplateShape, from: number, count: number): Record<string, Value> => {
  const size = input.reduce((n, d) => n * d, 1)
  const drawn = random(3, 'pixels')
    .fillNormal(new Float32Array((from + count) * size))
    .subarray(from * size)
  const ints = (values: ArrayLike<number>, dims = [count, ...input]) => Value.from('int64', dims, values)
  if (kind === 'tokens') {
    const ids = ints(drawn.map((v) => Math.min(49, Math.floor(10 * Math.abs(v)))))
    const mask = ints(drawn.map((_, i) => (i % size < 8 ? 1 : 0)))
    return { input_ids: ids, attention_mask: mask, token_type_ids: ints(drawn.map(() => 0)) }
  }
  const x = Value.of('float32', [count, ...input], drawn)
  // A graph without edges: every node by itself, as a sample is.
  return kind === 'graph' ? { x, edge_index: ints([], [2, 0]) } : { input: x }
}

describe.each(templateNames())('%s', (name) => {
  it.each(shapesFor(name))('runs for any batch on $input', async (shape) => {
    const model = buildTemplate(name, shape)
    const session = await createSession(encodeModel(model), { threads: 1 })
    const area = shape.target === 'map' ? shape.input.slice(1) : []
    const width = shape.classes * area.reduce((n, d) => n * d, 1)
    const lead = shape.kind === 'graph' ? 'nodes' : 'batch'
    expect(session.outputs).toEqual([{ name: 'logits', dtype: 'float32', shape: [lead, shape.classes, ...area] }])
    const run = async (from: number, count: number) => {
      const { logits } = await session.run(feedsFor(shape, from, count))
      expect(logits?.dims).toEqual([count, shape.classes, ...area])
      return Array.from(logits!.data, Number)
    }
    const all = await run(0, 3)
    const one = await run(1, 1)
    one.forEach((v, i) => expect(v).toBeCloseTo(all[width + i]!, 4))
    // Fresh weights neither vanish nor explode.
    const spread = Math.sqrt(all.reduce((s, v) => s + v * v, 0) / all.length)
    expect(spread).toBeGreaterThan(0.01)
    expect(spread).toBeLessThan(100)
    await session.release()
  })

  it('is a pure function of the seed', () => {
    const [shape] = shapesFor(name)
    const bytes = (seed: number) => Buffer.from(encodeModel(buildTemplate(name, { ...shape!, seed })))
    expect(bytes(1).equals(bytes(1))).toBe(true)
    expect(bytes(1).equals(bytes(2))).toBe(false)
  })
})

describe('names', () => {
  it('are readable', () => {
    const { graph, metadata } = template('resnet-8')
    expect(graph.initializers.has('stage2.block0.unit1.conv.weight')).toBe(true)
    expect(graph.nodes.map((n) => n.name)).toContain('stage2.block0.shortcut.bn')
    expect(metadata.get('stillroom.taps')).toBe('stem,stage1.block0,stage2.block0,stage3.block0,flat')
  })

  it('wrong ones are refused with the known ones', () => {
    const hint = expect.stringContaining('mobilenet-v2, ') as string
    expect(() => template('resnet-9')).toThrow(expect.objectContaining({ code: 'option', hint }))
    expect(() => template('mobilenet-v2:wide')).toThrow("template 'mobilenet-v2:wide'")
    expect(() => template('mlp:64,x')).toThrow(expect.objectContaining({ code: 'option' }))
    expect(() => template('small-cnn?depth=2')).toThrow('depth')
    expect(() => template('mlp', [1, 0, 4])).toThrow('positive whole sizes')
  })
})
