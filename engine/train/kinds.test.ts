/** Training on what is more than one tensor and a class: several inputs, graphs, numbers, maps. */
import { describe, expect, it } from 'vitest'
import { arrayDataSet, batchInputs, makeSplits, type AnyPreprocess, type DataSet, type MapTarget } from '../data/index.ts'
import { random } from '../random.ts'
import { buildTemplate, type TemplateShape } from '../students/index.ts'
import { answersOf, fit, metricBatch, targetStatistics, taskOf, toNet, withWeights, type FitOptions } from './index.ts'
import { makeMeter } from '../metrics/index.ts'

/** Trains a template for some steps; gives the first and last loss and the metrics on the test part. */
async function trained(
  spec: string,
  dataset: DataSet,
  preprocess: AnyPreprocess | undefined,
  { kind = dataset.kind, ...o }: Partial<FitOptions> & { classes: number; kind?: DataSet['kind'] },
) {
  const inputs = batchInputs(dataset, preprocess, 1)
  const shape: TemplateShape = {
    input: inputs[0]!.shape.slice(1),
    inputs,
    kind,
    target: dataset.target?.kind ?? 'class',
    vocabulary: 16,
    classes: o.classes,
    seed: 1,
  }
  const splits = makeSplits(dataset, { seed: 1 })
  const output = dataset.target?.kind === 'values' ? targetStatistics(dataset.target, splits.train) : undefined
  const model = buildTemplate(spec, { ...shape, output })
  const student = toNet(model, model.graph.outputs[0]!.name)
  const losses: number[] = []
  const result = await fit({
    student,
    teacher: undefined,
    samples: { dataset, preprocess },
    splits,
    task: taskOf(dataset, splits.train),
    labelled: true,
    methods: [],
    steps: 40,
    batch: 16,
    lr: 0.02,
    optimizer: 'adamw',
    momentum: 0.9,
    weightDecay: 0,
    schedule: 'cosine',
    warmup: 3,
    accumulate: 1,
    labelSmoothing: 0,
    augment: [],
    evalEvery: 20,
    checkpointEvery: Infinity,
    seed: 3,
    threads: 1,
    provider: 'cpu',
    target: { provider: 'cpu', block: 1 },
    on: { step: (e) => losses.push(e.losses.total!) },
    ...o,
  })
  const net = { ...student, model: withWeights(student.model, result.weights) }
  const meter = makeMeter()
  for await (const { batch, rows, shape } of answersOf(net, { dataset, preprocess }, splits.test, { threads: 1 }))
    meter.add(metricBatch(dataset, batch, { rows, shape }))
  const metrics = Object.fromEntries(Object.entries(meter.finish()).map(([id, m]) => [id, m.value]))
  return { first: losses[0]!, last: losses.at(-1)!, metrics }
}

describe('training', { timeout: 60_000 }, () => {
  it('feeds tokens and their mask: padding does not matter', async () => {
    // The class is whether token 5 occurs before the padding; behind it, it says nothing.
    const [count, length] = [160, 6]
    const data = new Float32Array(count * 3 * length)
    const labels = new Int32Array(count)
    const draw = random(7, 'tokens')
    for (let n = 0; n < count; n++) {
      const used = 3 + draw.int(2 * n, 3)
      for (let i = 0; i < length; i++) {
        const token = 6 + draw.int(1000 + n * length + i, 10)
        data[n * 3 * length + i] = i < used ? token : 5
        data[n * 3 * length + length + i] = i < used ? 1 : 0
      }
      labels[n] = n % 2
      if (labels[n]) data[n * 3 * length + draw.int(2 * n + 1, used)] = 5
    }
    const parts = ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({ name, shape: [length] }))
    const dataset = arrayDataSet({ name: 't', format: 'test', shape: [3 * length], data, labels, parts })
    const spec = 'bert-mini?layers=1&width=16&heads=2&dropout=0'
    const { metrics, first, last } = await trained(spec, dataset, undefined, { kind: 'tokens', classes: 2, steps: 120, lr: 5e-3 })
    expect(last).toBeLessThan(0.5 * first)
    expect(metrics.top1).toBeGreaterThan(0.85)
  })

  it('counts only the training nodes of a graph, and uses its edges', async () => {
    // Features are noise but for one node in four; the class is that of the neighbourhood.
    const [nodes, width] = [200, 4]
    const draw = random(9, 'graph')
    const values = new Float32Array(nodes * width)
    const labels = Int32Array.from({ length: nodes }, (_, i) => i % 2)
    const pairs: number[] = []
    for (let i = 0; i < nodes; i++) {
      for (let k = 0; k < width; k++) values[i * width + k] = 0.3 * draw.normal(i * width + k)
      if (Math.floor(i / 2) % 4 === 0) values[i * width + labels[i]!]! += 2
      for (let e = 0; e < 4; e++) pairs.push(i, 2 * draw.int(5000 + 4 * i + e, nodes / 2) + labels[i]!)
    }
    const from = pairs.filter((_, i) => i % 2 === 0)
    const to = pairs.filter((_, i) => i % 2 === 1)
    const edges = Float32Array.from([...from, ...to, ...to, ...from])
    const base = arrayDataSet({ name: 'g', format: 'test', shape: [width], data: values, labels })
    const dataset: DataSet = {
      ...base,
      kind: 'graph',
      shared: [{ name: 'edge_index', shape: [2, edges.length / 2], values: edges }],
    }
    const { metrics } = await trained('gcn:8?dropout=0', dataset, { kind: 'graph', features: 'as-is' }, { classes: 2, steps: 60 })
    expect(metrics.top1).toBeGreaterThan(0.9)
    const alone: DataSet = { ...dataset, shared: [{ name: 'edge_index', shape: [2, 0], values: new Float32Array(0) }] }
    const without = await trained('gcn:8?dropout=0', alone, { kind: 'graph', features: 'as-is' }, { classes: 2, steps: 60 })
    expect(without.metrics.top1).toBeLessThan(0.85)
  })

  it('predicts numbers of very different sizes', async () => {
    const count = 200
    const data = random(3, 'rows').fillNormal(new Float32Array(count * 2), 0, 1)
    const values = new Float32Array(count * 2)
    for (let n = 0; n < count; n++) {
      values[2 * n] = 1 + 0.01 * data[2 * n]!
      values[2 * n + 1] = 5000 * data[2 * n + 1]!
    }
    const target = { kind: 'values' as const, names: ['small', 'large'], values }
    const dataset = arrayDataSet({ name: 'v', format: 'test', shape: [2], data, target })
    const { metrics } = await trained('mlp:16', dataset, undefined, { classes: 2, steps: 150 })
    expect(metrics.r2).toBeGreaterThan(0.9)
    expect(Object.keys(metrics).sort()).toEqual(['mae', 'r2', 'squared-error'])
  })

  it('finds a class for each pixel', async () => {
    // Bright pixels are class 1; a border row has no class.
    const [count, side] = [40, 8]
    const draw = random(4, 'pictures')
    const pixels = new Uint8Array(count * side * side)
    const maps = new Int16Array(pixels.length)
    for (let i = 0; i < pixels.length; i++) {
      pixels[i] = draw.int(i, 256)
      maps[i] = Math.floor(i / side) % side === 0 ? -1 : pixels[i]! > 127 ? 1 : 0
    }
    const target: MapTarget = {
      kind: 'map',
      read: (indices) =>
        Promise.resolve(Int16Array.from([...indices].flatMap((n) => [...maps.subarray(n * side * side, (n + 1) * side * side)]))),
    }
    const dataset = arrayDataSet({
      name: 'm',
      format: 'test',
      shape: [side, side, 1],
      data: pixels,
      target,
      classes: ['dark', 'bright'],
    })
    const preprocess = {
      channels: 'gray' as const,
      size: [side, side] as [number, number],
      resize: 'none' as const,
      cropShare: 1,
      scale: 1 / 255,
      mean: [0.5],
      std: [0.25],
      layout: 'NCHW' as const,
      dtype: 'float32' as const,
    }
    const { metrics } = await trained('unet-small?channels=4&levels=2&groups=2', dataset, preprocess, {
      classes: 2,
      steps: 40,
      batch: 8,
    })
    expect(metrics.miou).toBeGreaterThan(0.85)
  })
})
