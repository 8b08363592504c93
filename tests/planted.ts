/** Faults planted into models that were trained a moment ago, each known to be there: what `why` must find. */
import { arrayDataSet, makeSplits, openDataSet, type DataSet, type Preprocess, type Splits } from '../engine/data/index.ts'
import { getInt, intAttr, makeNode, TensorData, usageOf, type Graph, type Model, type Node } from '../engine/ir/index.ts'
import { applyPasses, cloneModel } from '../engine/passes/index.ts'
import dropIdentity from '../engine/passes/rewrites/drop-identity.ts'
import eliminateDead from '../engine/passes/rewrites/eliminate-dead.ts'
import foldBatchNorm from '../engine/passes/rewrites/fold-batch-norm.ts'
import {
  answersOf,
  explainDrop,
  judge,
  quantizeModel,
  samplesFor,
  type Choices,
  type Explanation,
} from '../engine/quantize/index.ts'
import { random, type Random } from '../engine/random.ts'
import { createSession } from '../engine/session/index.ts'
import { buildTemplate } from '../engine/students/index.ts'
import { fit, toNet, withWeights } from '../engine/train/index.ts'

/** A model that learned to read drawn glyphs of very different contrast, and its data. */
export interface Grown {
  model: Model
  dataset: DataSet
  splits: Splits
  preprocess: Preprocess
  seed: number
}

/** A model with one fault, and the integer model that suffers from it. */
export interface Planted {
  float: Model
  quantized: Model
  /** Processors that the integer model is meant for. */
  target: 'exact' | 'pairs'
  /** What was done, with its numbers. */
  note: string
}

/** Samples that a well made model is calibrated on. */
export const CALIBRATION = 256

/** Drawn glyphs in light that differs from sample to sample, as it does outside: a single picture says little about all of them. */
export async function glyphsInLight(seed: number): Promise<Omit<Grown, 'model'>> {
  const drawn = await openDataSet(`builtin:glyphs?samples=4000&size=20&classes=10&difficulty=0.25&seed=${seed}`, { labels: 'on' })
  const { shape } = drawn.sample
  const raw = await drawn.read(Int32Array.from({ length: drawn.length }, (_, i) => i))
  if (raw.kind !== 'image') throw new Error('glyphs are pictures')
  const light = random(seed, 'light')
  const size = shape.reduce((n, d) => n * d, 1)
  const data = raw.pixels.map((v, i) => v * 0.08 ** (light.uniform(Math.floor(i / size)) ** 2))
  const { labels, classes } = drawn
  const dataset = arrayDataSet({ name: 'glyphs in changing light', format: 'drawn', shape, data, labels, classes })
  const preprocess: Preprocess = {
    channels: 'gray', size: [shape[0]!, shape[1]!], resize: 'stretch', layout: 'NCHW', scale: 1 / 255, mean: [0], std: [0.25],
  } as Preprocess // prettier-ignore
  return { dataset, splits: makeSplits(dataset, { seed, validationShare: 0.15 }), preprocess, seed }
}

/** Trains a template for a few seconds. @param steps about 250 for all but a few of the glyphs */
export async function grow(seed: number, student = 'small-cnn', steps = 250): Promise<Grown> {
  const data = await glyphsInLight(seed)
  const { dataset, splits, preprocess } = data
  const [height = 0, width = 0, channels = 0] = dataset.sample.shape
  const start = toNet(buildTemplate(student, { input: [channels, height, width], classes: 10, seed }), 'logits')
  const { weights } = await fit({
    student: start, teacher: undefined, samples: { dataset, preprocess }, splits: { ...splits, validation: new Int32Array(0) },
    classes: 10, labelled: true, methods: [], steps, batch: 64, lr: 4e-3, optimizer: 'adamw', momentum: 0.9, weightDecay: 1e-4,
    schedule: 'cosine', warmup: 10, accumulate: 1, labelSmoothing: 0, augment: [], evalEvery: 0, checkpointEvery: Infinity, seed, threads: 1,
    provider: 'cpu', target: { provider: 'cpu', block: 1 }, on: {},
  }) // prettier-ignore
  const { model } = applyPasses(withWeights(start.model, weights), [dropIdentity, foldBatchNorm, eliminateDead])
  return { ...data, model }
}

/** Quantizes as `quantize` does, with ranges from the first `calibrationSamples` of a seeded order of the training share. */
export async function quantizeGrown(
  g: Grown,
  float: Model,
  choices: Partial<Choices> = {},
  how: { indices?: Int32Array; preprocess?: Preprocess } = {},
): Promise<Model> {
  const order = random(g.seed, 'calibration').permutation(g.splits.train.length)
  const count = choices.calibrationSamples ?? CALIBRATION
  const indices = how.indices ?? order.slice(0, count).map((at) => g.splits.train[at]!)
  const { model } = await quantizeModel(float, {
    ...choices,
    account: false,
    threads: 1,
    samples: samplesFor(float, { dataset: g.dataset, indices, preprocess: how.preprocess ?? g.preprocess }),
  })
  const told = {
    scheme: choices.scheme ?? 'int8',
    calibration: choices.calibration ?? 'minmax',
    calibrationSamples: indices.length,
    ...choices,
  }
  return { ...model, metadata: new Map([...model.metadata, ['stillroom.quantization', JSON.stringify(told)]]) }
}

type Plant = (g: Grown, draw: Random) => Promise<Planted>

const convolutions = (graph: Graph): Node[] => graph.nodes.filter((n) => n.op === 'Conv' && getInt(n, 'group', 1) === 1)

/** Pairs of convolutions with a Relu and perhaps a pooling between them. */
function followers(graph: Graph): { first: Node; second: Node }[] {
  const { consumers } = usageOf(graph)
  return convolutions(graph).flatMap((first) => {
    let value = first.outputs[0]!
    for (let hops = 0; hops < 4; hops++) {
      const [next, ...others] = consumers.get(value) ?? []
      if (!next || others.length > 0) return []
      if (next.op === 'Conv' && getInt(next, 'group', 1) === 1) return [{ first, second: next }]
      if (next.op !== 'Relu' && next.op !== 'MaxPool') return []
      value = next.outputs[0]!
    }
    return []
  })
}

interface Weights {
  node: Node
  /** [outputs, inputs, positions], row-major. */
  w: Float32Array
  b: Float32Array
  dims: readonly number[]
}

function weightsOf(graph: Graph, node: Node): Weights {
  const w = graph.initializers.get(node.inputs[1]!)!
  const b = graph.initializers.get(node.inputs[2]!)!
  return { node, w: Float32Array.from(w.numbers()), b: Float32Array.from(b.numbers()), dims: w.dims }
}

function store(graph: Graph, { node, w, b, dims }: Weights, name = node.name): void {
  // Shapes that were noted may not fit any more.
  graph.values.clear()
  node.inputs = [node.inputs[0]!, `${name}/planted`, `${name}/planted bias`]
  graph.initializers.set(node.inputs[1]!, TensorData.of('float32', dims, w))
  graph.initializers.set(node.inputs[2]!, TensorData.of('float32', [b.length], b))
}

const taps = ({ dims }: Weights) => dims.slice(2).reduce((n, d) => n * d, 1)
const pick = <T>(list: readonly T[], draw: Random, at: number): T => list[Math.floor(draw.uniform(at) * list.length)]!

/** Multiplies the weights that read a channel. */
function scaleInput(layer: Weights, channel: number, factor: number): void {
  const [outputs = 0, inputs = 0] = layer.dims
  const n = taps(layer)
  for (let o = 0; o < outputs; o++) for (let t = 0; t < n; t++) layer.w[(o * inputs + channel) * n + t]! *= factor
}

function scaleOutput(layer: Weights, channel: number, factor: number): void {
  const row = layer.w.length / layer.dims[0]!
  for (let i = channel * row; i < (channel + 1) * row; i++) layer.w[i]! *= factor
  layer.b[channel]! *= factor
}

const joined = (a: Float32Array, b: ArrayLike<number>): Float32Array => {
  const out = new Float32Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

const deadChannel: Plant = async (g, draw) => {
  const float = cloneModel(g.model)
  const { first, second } = pick(followers(float.graph), draw, 0)
  const [a, b] = [weightsOf(float.graph, first), weightsOf(float.graph, second)]
  const channel = Math.floor(draw.uniform(1) * a.dims[0]!)
  const size = 2 ** (6 + 2 * draw.uniform(2))
  const factor = draw.uniform(3) < 0.5 ? size : 1 / size
  scaleOutput(a, channel, factor)
  scaleInput(b, channel, 1 / factor)
  store(float.graph, a)
  store(float.graph, b)
  const quantized = await quantizeGrown(g, float, { granularity: 'per-tensor' })
  return { float, quantized, target: 'exact', note: `channel ${channel} of ${first.name} x ${factor.toPrecision(3)}` }
}

/** Values of a float model on samples, by name. */
async function valuesOn(g: Grown, model: Model, name: string): Promise<Float32Array[]> {
  const copy = cloneModel(model)
  if (!copy.graph.outputs.some((v) => v.name === name)) copy.graph.outputs.push({ name, type: undefined })
  const session = await createSession(copy, { threads: 1 })
  const out: Float32Array[] = []
  const order = random(g.seed, 'calibration').permutation(g.splits.train.length)
  const indices = order.slice(0, CALIBRATION).map((at) => g.splits.train[at]!)
  for await (const feeds of samplesFor(model, { dataset: g.dataset, indices, preprocess: g.preprocess })())
    out.push(Float32Array.from((await session.run(feeds, [name]))[name]!.numbers()))
  await session.release()
  return out
}

const outlier: Plant = async (g, draw) => {
  const float = cloneModel(g.model)
  const { first, second } = pick(followers(float.graph), draw, 0)
  const [a, b] = [weightsOf(float.graph, first), weightsOf(float.graph, second)]
  const channels = a.dims[0]!
  const batches = await valuesOn(g, float, first.outputs[0]!)
  const channel = Math.floor(draw.uniform(1) * channels)
  const own: number[] = []
  let largest = 0
  for (const values of batches) {
    const positions = values.length / 16 / channels
    values.forEach((v, i) => {
      largest = Math.max(largest, v)
      if (Math.floor(i / positions) % channels === channel) own.push(v)
    })
  }
  own.sort((p, q) => q - p)
  const rare = own[Math.max(4, Math.floor(own.length * 1e-4))]!
  const reach = 2 ** (6 + 2 * draw.uniform(2))
  const factor = (reach * largest) / (own[0]! - rare)
  // A further channel that fires on one value in ten thousand, then very strongly, and that the next layer does not read.
  const row = a.w.length / channels
  const further = a.w.subarray(channel * row, (channel + 1) * row).map((v) => v * factor)
  const bias = (a.b[channel]! - rare) * factor
  store(float.graph, { ...a, w: joined(a.w, further), b: joined(a.b, [bias]), dims: [channels + 1, ...a.dims.slice(1)] })
  const [outputs = 0, inputs = 0] = b.dims
  const wider = new Float32Array(outputs * (inputs + 1) * taps(b))
  b.w.forEach((v, i) => (wider[i + Math.floor(i / (inputs * taps(b))) * taps(b)] = v))
  store(float.graph, { ...b, w: wider, dims: [outputs, inputs + 1, ...b.dims.slice(2)] })
  return {
    float,
    quantized: await quantizeGrown(g, float),
    target: 'exact',
    note: `a copy of channel ${channel} of ${first.name} reaches ${reach.toFixed(0)} times as far`,
  }
}

const wrongPreprocessing: Plant = async (g, draw) => {
  const ways = [
    { name: '0..255', scale: 1, mean: [0], std: [1] },
    { name: '0..1', scale: 1 / 255, mean: [0], std: [1] },
    { name: '-1..1', scale: 1 / 255, mean: [0.5], std: [0.5] },
    { name: 'less 0.5, over 0.25', scale: 1 / 255, mean: [0.5], std: [0.25] },
    { name: 'those of MNIST', scale: 1 / 255, mean: [0.1307], std: [0.3081] },
  ]
  const { name, ...way } = pick(ways, draw, 0)
  const quantized = await quantizeGrown(g, g.model, {}, { preprocess: { ...g.preprocess, ...way } })
  return { float: g.model, quantized, target: 'exact', note: `pixels as ${name}` }
}

const fewSamples: Plant = async (g, draw) => {
  const count = draw.uniform(0) < 0.5 ? 1 : 2
  // Samples in poor light: of those drawn, the ones with the least contrast.
  const drawn = Array.from({ length: 24 }, (_, i) => pick([...g.splits.train], draw, i + 1))
  const { sample } = g.dataset
  const size = sample.shape.reduce((n, d) => n * d, 1)
  const raw = await g.dataset.read(Int32Array.from(drawn))
  if (raw.kind !== 'image') throw new Error('glyphs are pictures')
  const peak = drawn.map((_, i) => raw.pixels.subarray(i * size, (i + 1) * size).reduce((a, b) => Math.max(a, b), 0))
  const order = drawn.map((_, i) => i).sort((p, q) => peak[p]! - peak[q]!)
  const indices = Int32Array.from(order.slice(0, count), (i) => drawn[i]!)
  const quantized = await quantizeGrown(g, g.model, {}, { indices })
  return {
    float: g.model,
    quantized,
    target: 'exact',
    note: `${count} sample${count > 1 ? 's' : ''}, brightest pixel ${Math.max(...order.slice(0, count).map((i) => peak[i]!))}`,
  }
}

/** Feeds a convolution copies of its input and gives them weights whose sum is the old weight: the same function. */
function copies(graph: Graph, node: Node, parts: (w: number, at: number) => readonly number[]): void {
  const old = weightsOf(graph, node)
  const [outputs = 0, inputs = 0, ...kernel] = old.dims
  const count = parts(0, 0).length
  const row = old.w.length / outputs
  const w = new Float32Array(count * old.w.length)
  old.w.forEach((v, i) => {
    const at = Math.floor(i / row) * count * row + (i % row)
    parts(v, i % row).forEach((part, k) => (w[at + k * row] = part))
  })
  const many = `${node.name}/copies`
  const input = new Array<string>(count).fill(node.inputs[0]!)
  graph.nodes.splice(graph.nodes.indexOf(node), 0, makeNode('Concat', input, [many], { axis: intAttr(1) }))
  node.inputs[0] = many
  store(graph, { ...old, w, dims: [outputs, count * inputs, ...kernel] })
}

/** Size of the largest weight of the first convolution. */
function firstLayer(graph: Graph): { first: Node; largest: number } {
  const first = convolutions(graph)[0]!
  return { first, largest: weightsOf(graph, first).w.reduce((m, v) => Math.max(m, Math.abs(v)), 0) }
}

const sensitiveLayer: Plant = async (g, draw) => {
  const float = cloneModel(g.model)
  const { first, largest } = firstLayer(float.graph)
  const size = 20 + 40 * draw.uniform(0)
  // Large weights that cancel: what matters is their small difference.
  copies(float.graph, first, (v, at) => {
    const much = size * largest * (0.5 + 0.5 * draw.uniform(at + 1))
    return [v / 2 + much, v / 2 - much]
  })
  const quantized = await quantizeGrown(g, float)
  return { float, quantized, target: 'exact', note: `weights ${size.toFixed(0)} times as large that cancel` }
}

const saturation: Plant = async (g, draw) => {
  const float = cloneModel(g.model)
  const { first, largest } = firstLayer(float.graph)
  const size = 1.5 + 1.5 * draw.uniform(0)
  // Neighbours of equal sign, whose products are added in 16 bits, and others that take their sum away again.
  copies(float.graph, first, (v) => [1, 1, -1, -1].map((sign) => v / 4 + sign * size * largest))
  const quantized = await quantizeGrown(g, float)
  return { float, quantized, target: 'pairs', note: `neighbouring weights of equal sign, ${size.toFixed(1)} times the largest` }
}

/** By the id of the cause that must be named. */
const PLANTS: Readonly<Record<string, Plant>> = {
  'dead-channel': deadChannel,
  'outlier-activation': outlier,
  'wrong-preprocessing': wrongPreprocessing,
  'few-samples': fewSamples,
  'sensitive-layer': sensitiveLayer,
  saturation,
}

export const FAULTS = Object.keys(PLANTS)

/** A planted fault must do harm: so much of the accuracy on the samples that decide. Draws that do less are drawn again. */
const HARM = 0.05
const DRAWS = 12

/** Plants a fault that costs at least five points of accuracy. */
export async function plant(id: string, g: Grown, seed: number): Promise<Planted> {
  const bench = { dataset: g.dataset, preprocess: g.preprocess, threads: 1 }
  const indices = g.splits.validation.slice(0, 200)
  for (let i = 0; i < DRAWS; i++) {
    const planted = await PLANTS[id]!(g, random(seed, 'plant').fork(id).fork(i))
    const float = await answersOf(planted.float, bench, indices, 'here')
    const found = judge(await answersOf(planted.quantized, bench, indices, planted.target === 'pairs' ? 'pairs' : 'exact'), float)
    if (judge(float, float).value - found.value >= HARM) return planted
  }
  throw new Error(`no draw of '${id}' did harm`)
}

/** What `why` says. @param most samples that decide, and that judge */
export function explainPlanted(g: Grown, planted: Planted, here: 'exact' | 'pairs' | 'unknown', most = 1000): Promise<Explanation> {
  return explainDrop({
    ...planted,
    here,
    dataset: g.dataset,
    preprocess: g.preprocess,
    threads: 1,
    calibration: g.splits.train.slice(0, CALIBRATION),
    diagnosis: g.splits.validation.slice(0, most),
    heldOut: g.splits.test.slice(0, most),
    requantize: (choices) => quantizeGrown(g, planted.float, choices),
  })
}

/** A model that was quantized as it should be, for the processor that it is meant for. */
export async function healthy(g: Grown, target: Planted['target']): Promise<Planted> {
  const quantized = await quantizeGrown(g, g.model, { reduceRange: target === 'pairs' })
  return { float: g.model, quantized, target, note: target === 'pairs' ? '7-bit weights, for processors without VNNI' : 'int8' }
}
