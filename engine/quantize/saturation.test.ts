import { describe, expect, it } from 'vitest'
import { intAttr, intsAttr, makeGraph, makeModel, makeNode, TensorData, tensorType, type Model } from '../ir/index.ts'
import { random } from '../random.ts'
import { createSession, probeCpu, Value } from '../session/index.ts'
import { simulateSaturation } from './saturation.ts'

const clip16 = (v: number) => Math.max(-32768, Math.min(32767, v))
const draw = random(3, 'saturation')
let drawn = 0
const integers = (length: number, low: number, high: number) =>
  Int32Array.from({ length }, () => Math.round(low + (high - low) * draw.uniform(drawn++)))

interface Case {
  model: Model
  x: { dims: number[]; values: Uint8Array | Float32Array }
  /** Results without and with clipping, in units of the output's step. */
  exact: number[]
  clipped: number[]
}

const scalar = (type: 'float32' | 'uint8' | 'int8' | 'int32', v: number) => TensorData.scalar(type, v)

interface Shape {
  channels: number
  outputs: number
  kernel: number[]
  group?: number
  zero: number
  stride?: number
  dilation?: number
  size?: number
  /** Activations from -128 on, which the kernels shift up. */
  signed?: boolean
}

/** Products of the kernel, summed in the order: position of the kernel, then channel. */
function conv({ channels, outputs, kernel, group = 1, zero, stride = 1, dilation = 1, size = 7, signed = false }: Shape): Case {
  const inner = channels / group
  const taps = kernel.reduce((n, k) => n * k, 1)
  const weights = integers(outputs * inner * taps, -127, 127)
  const dims = [1, channels, ...kernel.map(() => size)]
  const values = Uint8Array.from(integers(channels * size ** kernel.length, 0, 255))
  const bias = integers(outputs, -2000, 2000)
  const step = 300 * Math.sqrt(inner * taps)
  const pads = kernel.map((k) => ((k - 1) * dilation) >> 1)
  const graph = makeGraph('conv')
  graph.inputs = [{ name: 'x', type: tensorType(signed ? 'float32' : 'uint8', dims) }]
  graph.outputs = [{ name: 'y', type: tensorType('float32') }]
  graph.initializers = new Map([
    ['one', scalar('float32', 1)],
    ['step', scalar('float32', step)],
    ['x zero', signed ? scalar('int8', zero - 128) : scalar('uint8', zero)],
    ['w zero', scalar('int8', 0)],
    ['b zero', scalar('int32', 0)],
    ['y zero', signed ? scalar('int8', 0) : scalar('uint8', 128)],
    ['w', TensorData.from('int8', [outputs, inner, ...kernel], weights)],
    ['b', TensorData.from('int32', [outputs], bias)],
  ])
  const attrs = {
    pads: intsAttr([...pads, ...pads]), strides: intsAttr(kernel.map(() => stride)), group: intAttr(group),
    dilations: intsAttr(kernel.map(() => dilation)), kernel_shape: intsAttr(kernel),
  } // prettier-ignore
  graph.nodes = [
    ...(signed ? [makeNode('QuantizeLinear', ['x', 'one', 'x zero'], ['xq'])] : []),
    makeNode('DequantizeLinear', [signed ? 'xq' : 'x', 'one', 'x zero'], ['xf']),
    makeNode('DequantizeLinear', ['w', 'one', 'w zero'], ['wf']),
    makeNode('DequantizeLinear', ['b', 'one', 'b zero'], ['bf']),
    makeNode('Conv', ['xf', 'wf', 'bf'], ['sums'], attrs, { name: 'conv' }),
    makeNode('QuantizeLinear', ['sums', 'step', 'y zero'], ['q']),
    makeNode('DequantizeLinear', ['q', 'step', 'y zero'], ['y']),
  ]
  const length = kernel.map((k, i) => Math.floor((size + 2 * pads[i]! - (k - 1) * dilation - 1) / stride) + 1)
  const positions = length.reduce((n, d) => n * d, 1)
  const split = (at: number, of: readonly number[]) => {
    const place = of.map(() => 0)
    for (let i = of.length - 1, rest = at; i >= 0; rest = Math.floor(rest / of[i--]!)) place[i] = rest % of[i]!
    return place
  }
  const read = (c: number, place: number[]) => {
    if (place.some((p) => p < 0 || p >= size)) return zero
    return values[place.reduce((n, p) => n * size + p, c)]!
  }
  const one = (o: number, at: number[], round: (v: number) => number) => {
    let [sum, all] = [0, 0]
    const products = Array.from({ length: taps * inner }, (_, k) => {
      const tap = Math.floor(k / inner)
      const w = weights[(o * inner + (k % inner)) * taps + tap]!
      all += w
      const from = split(tap, kernel).map((p, i) => p * dilation + at[i]! * stride - pads[i]!)
      return w * read(Math.floor(o / (outputs / group)) * inner + (k % inner), from)
    })
    for (let k = 0; k < products.length; k += 2) sum += round(products[k]! + (products[k + 1] ?? 0))
    return Math.max(-128, Math.min(127, Math.round((sum - zero * all + bias[o]!) / step)))
  }
  const results = (round: (v: number) => number) =>
    Array.from({ length: outputs * positions }, (_, i) => one(Math.floor(i / positions), split(i % positions, length), round))
  const depthwise = group > 1 && inner === 1 && outputs === group
  const exact = results((v) => v)
  return {
    model: makeModel(graph, 17),
    x: { dims, values: signed ? Float32Array.from(values, (v) => v - zero) : values },
    exact,
    clipped: depthwise ? exact : results(clip16),
  }
}

function product(op: 'MatMul' | 'Gemm' | 'MatMulInteger', rows: number, depth: number, columns: number, zero: number): Case {
  const weights = integers(depth * columns, -127, 127)
  const values = Uint8Array.from(integers(rows * depth, 0, 255))
  const transposed = op === 'Gemm'
  const graph = makeGraph(op)
  const dynamic = op === 'MatMulInteger'
  graph.inputs = [{ name: 'x', type: tensorType(dynamic ? 'float32' : 'uint8', [rows, depth]) }]
  graph.outputs = [{ name: 'y', type: tensorType(dynamic ? 'int32' : 'float32') }]
  const stored = Int32Array.from(weights, (_, i) =>
    transposed ? weights[(i % depth) * columns + Math.floor(i / depth)]! : weights[i]!,
  )
  graph.initializers = new Map([
    ['one', scalar('float32', 1)],
    ['x zero', scalar('uint8', zero)],
    ['w zero', scalar('int8', 0)],
    ['w', TensorData.from('int8', transposed ? [columns, depth] : [depth, columns], stored)],
  ])
  graph.nodes = dynamic
    ? [
        makeNode('DynamicQuantizeLinear', ['x'], ['xq', 'xs', 'xz']),
        makeNode('MatMulInteger', ['xq', 'w', 'xz', 'w zero'], ['y'], {}, { name: 'product' }),
      ]
    : [
        makeNode('DequantizeLinear', ['x', 'one', 'x zero'], ['xf']),
        makeNode('DequantizeLinear', ['w', 'one', 'w zero'], ['wf']),
        makeNode(op, ['xf', 'wf'], ['y'], transposed ? { transB: intAttr(1) } : {}, { name: 'product' }),
      ]
  if (dynamic) {
    // The range of the floats is [0, 255], so that the integers are the numbers themselves.
    values[0] = 255
    values[1] = 0
  }
  const results = (round: (v: number) => number) =>
    Array.from({ length: rows * columns }, (_, i) => {
      const [row, column] = [Math.floor(i / columns), i % columns]
      const at = (k: number) => (k < depth ? values[row * depth + k]! * weights[k * columns + column]! : 0)
      let sum = 0
      for (let k = 0; k < depth; k += 2) sum += round(at(k) + at(k + 1))
      for (let k = 0; k < depth; k++) sum -= zero * weights[k * columns + column]!
      return sum
    })
  return { model: makeModel(graph, 17), x: { dims: [rows, depth], values }, exact: results((v) => v), clipped: results(clip16) }
}

const CASES: Record<string, Case> = {
  'one channel': conv({ channels: 1, outputs: 8, kernel: [3, 3], zero: 0 }),
  'three channels': conv({ channels: 3, outputs: 16, kernel: [3, 3], zero: 10 }),
  'whole blocks of channels': conv({ channels: 16, outputs: 16, kernel: [3, 3], zero: 0 }),
  'one position': conv({ channels: 16, outputs: 32, kernel: [1, 1], zero: 7 }),
  'signed activations': conv({ channels: 16, outputs: 16, kernel: [3, 3], zero: 133, signed: true }),
  'groups': conv({ channels: 8, outputs: 8, kernel: [3, 3], group: 2, zero: 5 }),
  'depthwise with two filters each': conv({ channels: 8, outputs: 16, kernel: [3, 3], group: 8, zero: 3 }),
  'depthwise': conv({ channels: 16, outputs: 16, kernel: [3, 3], group: 16, zero: 3 }),
  'strides': conv({ channels: 5, outputs: 7, kernel: [3, 3], zero: 9, stride: 2, size: 8 }),
  'dilations': conv({ channels: 6, outputs: 4, kernel: [3, 3], zero: 9, dilation: 2, size: 8 }),
  'a signal': conv({ channels: 4, outputs: 6, kernel: [5], zero: 20, size: 20 }),
  'MatMul': product('MatMul', 4, 64, 32, 17),
  'Gemm': product('Gemm', 1, 33, 10, 3),
  'MatMulInteger': product('MatMulInteger', 4, 33, 9, 0),
} // prettier-ignore

async function run(model: Model, { x }: Case, unit: number): Promise<number[]> {
  const session = await createSession(model, { threads: 1 })
  const dtype = session.inputs[0]!.dtype!
  const y = (await session.run({ x: Value.from(dtype, x.dims, x.values) })).y!
  await session.release()
  return Array.from(y.numbers(), (v) => v / unit)
}

const stepOf = ({ model }: Case) => model.graph.initializers.get('step')?.numbers()[0] ?? 1
const worst = (a: readonly number[], b: readonly number[]) => a.reduce((m, v, i) => Math.max(m, Math.abs(v - b[i]!)), 0)

describe('saturation', () => {
  it.each(Object.keys(CASES))('is simulated within one step: %s', async (name) => {
    const c = CASES[name]!
    const unit = stepOf(c)
    const { model, layers } = simulateSaturation(c.model)
    expect(worst(await run(model, c, unit), c.clipped)).toBeLessThanOrEqual(1)
    expect(layers.map((l) => l.reason)).toEqual([undefined])
    // The case would pass without any clipping otherwise.
    if (name !== 'depthwise') expect(worst(c.exact, c.clipped)).toBeGreaterThan(1)
    else expect(layers[0]!.atRisk).toBe(0)
  })

  it.each(Object.keys(CASES))('is what this processor does, or not: %s', async (name) => {
    const c = CASES[name]!
    const cpu = await probeCpu()
    // Where the system does not tell its instruction sets, one of the two must fit.
    const found = await run(c.model, c, stepOf(c))
    const misses = [c.exact, c.clipped].map((expected) => worst(found, expected) > 1)
    const clips = cpu.architecture === 'x64' && !cpu.instructionSets.some((s) => s.includes('VNNI') || s === 'AMX-INT8')
    if (cpu.instructionSets.length > 0) expect(misses[clips ? 1 : 0]).toBe(false)
    else expect(misses).toContain(false)
  })

  it('cannot happen with 7 bits, nor with unsigned weights', async () => {
    const c = CASES['whole blocks of channels']!
    const w = c.model.graph.initializers.get('w')!
    const small = { ...c.model, graph: { ...c.model.graph, initializers: new Map(c.model.graph.initializers) } }
    small.graph.initializers.set('w', TensorData.from('int8', w.dims, w.numbers().map((v) => Math.trunc(v / 2)))) // prettier-ignore
    expect(simulateSaturation(small).layers).toMatchObject([{ atRisk: 0 }])
    const unsigned = { ...c.model, graph: { ...c.model.graph, initializers: new Map(c.model.graph.initializers) } }
    unsigned.graph.initializers.set('w', TensorData.from('uint8', w.dims, w.numbers().map((v) => v + 128))) // prettier-ignore
    unsigned.graph.initializers.set('w zero', TensorData.scalar('uint8', 128))
    expect(simulateSaturation(unsigned).layers).toMatchObject([{ atRisk: 0 }])
  })
})
