import { describe, expect, it } from 'vitest'
import { intAttr, makeGraph, makeModel, makeNode, sizeOf, TensorData, tensorType, type Model } from '../../ir/index.ts'
import { cloneModel } from '../../passes/index.ts'
import { random } from '../../random.ts'
import { Value, type Feeds } from '../../session/index.ts'
import { Histogram } from '../histogram.ts'
import { quantizeModel } from '../quantizeModel.ts'
import { flipsOf } from './flips.ts'
import { chanceOf, judge, type Answers } from './judge.ts'
import { matchLayers, matchValues } from './match.ts'
import { fitOf } from './ranges.ts'
import { layerSums } from './shadow.ts'
import { activationsOnly, weightsOnly } from './variants.ts'

const draw = random(11, 'parts')
let drawn = 0
const normal = (dims: number[]) =>
  TensorData.of(
    'float32',
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => 0.3 * draw.normal(drawn++)),
  )

/** A convolution, a Relu and a product. */
function network(): Model {
  const graph = makeGraph('small')
  graph.inputs = [{ name: 'x', type: tensorType('float32', ['n', 3, 4, 4]) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32', ['n', 5]) }]
  graph.initializers = new Map([['w1', normal([4, 3, 1, 1])], ['b1', normal([4])], ['w2', normal([5, 64])], ['b2', normal([5])]]) // prettier-ignore
  graph.nodes = [
    makeNode('Conv', ['x', 'w1', 'b1'], ['c'], {}, { name: 'conv' }),
    makeNode('Relu', ['c'], ['r'], {}, { name: 'relu' }),
    makeNode('Flatten', ['r'], ['f'], {}, { name: 'flat' }),
    makeNode('Gemm', ['f', 'w2', 'b2'], ['y'], { transB: intAttr(1) }, { name: 'product' }),
  ]
  return makeModel(graph, 17)
}

const batches = Array.from({ length: 3 }, (_, i) => Float32Array.from({ length: 96 }, (_, k) => random(4, 'x').normal(96 * i + k)))
async function* samples(): AsyncGenerator<Feeds> {
  for (const x of batches) yield await Promise.resolve({ x: Value.of('float32', [2, 3, 4, 4], x) })
}

/** The file as another program would name it. */
function renamed(model: Model): Model {
  const copy = cloneModel(model)
  const own = new Set([...copy.graph.inputs, ...copy.graph.outputs].map((v) => v.name))
  const names = new Map<string, string>()
  const as = (name: string) => {
    if (!name || own.has(name)) return name
    if (!names.has(name)) names.set(name, `tensor_${names.size}`)
    return names.get(name)!
  }
  for (const node of copy.graph.nodes) {
    node.name = ''
    node.inputs = node.inputs.map(as)
    node.outputs = node.outputs.map(as)
  }
  copy.graph.initializers = new Map([...copy.graph.initializers].map(([name, value]) => [as(name), value]))
  copy.graph.values.clear()
  return copy
}

const answers = (choice: number[], label: number[]): Answers => ({
  rows: choice.length,
  width: 2,
  numbers: Float32Array.from(choice.flatMap((c) => (c === 0 ? [1, 0] : [0, 1]))),
  index: Int32Array.from(choice, (_, i) => 10 + i),
  label: Int32Array.from(label),
  choice: Int32Array.from(choice),
})

describe('judging', () => {
  it('tells chance from loss by the exact sign test', () => {
    const truth = new Array<number>(10).fill(0)
    const right = answers(truth, truth)
    const six = answers([1, 1, 1, 1, 1, 1, 0, 0, 0, 0], truth)
    expect(chanceOf(six, right)).toBeCloseTo(2 / 2 ** 6, 12)
    // Three lost and one won: P(at most one of four) on both sides.
    const float = answers([0, 0, 0, 1, 0, 0, 0, 0, 0, 0], truth)
    const mixed = answers([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], truth)
    expect(chanceOf(mixed, float)).toBeCloseTo((2 * (1 + 4)) / 2 ** 4, 12)
    expect(chanceOf(right, right)).toBe(1)
  })

  it('counts what is right, what agrees and what flipped', () => {
    const float = answers([0, 0, 1, 1], [0, 0, 1, 0])
    const found = answers([0, 1, 1, 0], [0, 0, 1, 0])
    const j = judge(found, float)
    expect(j).toMatchObject({ value: 3 / 4, agreement: 1 / 2 })
    // Two rows of four differ by [1, -1]: noise 4, signal 4.
    expect(j.sqnr).toBeCloseTo(0, 12)
    const flips = flipsOf(float, found)
    expect(flips).toMatchObject({ count: 2, lost: 1, won: 1 })
    expect(flips.shown.map((s) => s.index).sort()).toEqual([11, 13])
  })
})

describe('ranges', () => {
  it('tells clipping from rounding', () => {
    const seen = new Histogram()
    const n = 20_000
    // Even spread over [0, 2], of which [0, 1] is covered in steps of 1/255.
    seen.add(Float64Array.from({ length: n }, (_, i) => (2 * (i + 0.5)) / n))
    const fit = fitOf({ integers: 'q', from: 'x', dtype: 'uint8', scale: 1 / 255, zero: 0, min: 0, max: 1 }, seen)
    expect(fit.clipped).toBeCloseTo(0.5, 2)
    expect(fit.clipNoise).toBeCloseTo(1 / 6, 2)
    expect(fit.roundNoise).toBeCloseTo(0.5 / 12 / 255 ** 2, 7)
    expect(fit.signal).toBeCloseTo(4 / 3, 2)
  })

  it('sees outliers', () => {
    const seen = new Histogram()
    seen.add(Float64Array.from({ length: 200_000 }, (_, i) => (i === 7 ? 100 : (i % 1000) / 1000)))
    const fit = fitOf({ integers: 'q', from: 'x', dtype: 'uint8', scale: 100 / 255, zero: 0, min: 0, max: 100 }, seen)
    expect(fit.spread).toBeGreaterThan(90)
    // A hundredth of the range: 40 dB.
    expect(fit.bulkGain).toBeGreaterThan(39)
    expect(fit.bulkGain).toBeLessThan(41)
  })
})

describe('layers', () => {
  it('are measured with equal inputs, weights and inputs apart', async () => {
    const float = network()
    const { model } = await quantizeModel(float, { samples, threads: 1 })
    const pairs = matchLayers(float, model)
    expect(pairs.map((p) => p.name)).toEqual(['conv', 'product'])
    const sums = await layerSums(float, pairs, samples, { threads: 1 })
    // The convolution by hand: four channels, one tap.
    const [pair] = pairs
    const { scale, min, max } = pair!.integer.input
    const [w, b] = [float.graph.initializers.get('w1')!.numbers(), float.graph.initializers.get('b1')!.numbers()]
    const bias = pair!.integer.bias!
    const round = (x: number) => Math.min(max, Math.max(min, Math.round(x / scale) * scale))
    const expected = { signal: [0, 0, 0, 0], both: [0, 0, 0, 0], weights: [0, 0, 0, 0], inputs: [0, 0, 0, 0] }
    for (const x of batches)
      for (let n = 0; n < 2; n++)
        for (let at = 0; at < 16; at++)
          for (let o = 0; o < 4; o++) {
            const sum = (weights: ArrayLike<number>, of: (x: number) => number, plus: number) =>
              [0, 1, 2].reduce((a, c) => a + weights[o * 3 + c]! * of(x[(n * 3 + c) * 16 + at]!), plus)
            const y = sum(w, (v) => v, b[o]!)
            const rounded = bias.levels.numbers()[o]! * bias.scale[o]!
            expected.signal[o]! += y ** 2
            expected.both[o]! += (sum(pair!.rounded, round, rounded) - y) ** 2
            expected.weights[o]! += (sum(pair!.rounded, (v) => v, rounded) - y) ** 2
            expected.inputs[o]! += (sum(w, round, b[o]!) - y) ** 2
          }
    const found = sums.get(pair!)!
    for (const part of ['signal', 'both', 'weights', 'inputs'] as const)
      found[part].forEach((v, o) => expect(v / expected[part][o]!).toBeCloseTo(1, 2))
  })

  it('are found in files that name nothing as the float model does', async () => {
    const float = network()
    const { model } = await quantizeModel(float, { samples, threads: 1 })
    const foreign = renamed(model)
    const [ours, theirs] = [matchLayers(float, model), matchLayers(float, foreign)]
    expect(theirs.map((p) => p.float.name)).toEqual(ours.map((p) => p.float.name))
    expect(theirs.map((p) => [...p.rounded])).toEqual(ours.map((p) => [...p.rounded]))
    expect(matchValues(float, foreign).map((v) => v.value)).toContain('x')
  })

  it('lose by weights alone and by activations alone what belongs to each', async () => {
    const float = network()
    const { model } = await quantizeModel(float, { samples, threads: 1 })
    const pairs = matchLayers(float, model)
    const w = weightsOnly(float, pairs)
    expect(w.graph.nodes.map((n) => n.op)).toEqual(['Conv', 'Relu', 'Flatten', 'Gemm'])
    const a = activationsOnly(model, float, pairs)
    for (const { float: node } of pairs) {
      const weight = a.graph.initializers.get(a.graph.nodes.find((n) => n.name === node.name)!.inputs[1]!)!
      expect([...weight.numbers()]).toEqual([...float.graph.initializers.get(node.inputs[1]!)!.numbers()])
    }
    expect(a.graph.nodes.filter((n) => n.op === 'QuantizeLinear').length).toBe(
      model.graph.nodes.filter((n) => n.op === 'QuantizeLinear').length,
    )
  })
})
