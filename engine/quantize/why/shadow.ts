import { intAttr, intsAttr, tensorType, TensorData, type Model, type Node } from '../../ir/index.ts'
import { cloneModel } from '../../passes/index.ts'
import { createSession } from '../../session/index.ts'
import type { RunOptions, Samples } from '../calibrate.ts'
import { Emitter } from '../emitter.ts'
import { realsOf, type IntegerRange } from '../integers.ts'
import type { Pair } from './match.ts'

/** Sums of squares over samples, for each output channel of a layer that gets the float model's own input. */
export interface LayerSums {
  signal: Float64Array
  /** Error with rounded weights and rounded inputs, with rounded weights alone, with rounded inputs alone. */
  both: Float64Array
  weights: Float64Array
  inputs: Float64Array
  /** Largest size of each input channel; of length 1 where channels cannot be told. */
  peak: Float64Array
}

const PARTS = ['signal', 'both', 'weights', 'inputs'] as const

/**
 * Runs every layer of the float model beside three copies of itself that get the same float input: with rounded weights, with a rounded input, with
 * both. So a layer's own error is seen, without those of the layers before. Sums are made by the graph: memory does not grow with the samples.
 */
export async function layerSums(
  float: Model,
  pairs: readonly Pair[],
  samples: Samples,
  o: RunOptions,
): Promise<Map<Pair, LayerSums>> {
  const copy = cloneModel(float)
  const e = new Emitter(copy.graph)
  const opset = float.opsets.get('') ?? float.opsets.get('ai.onnx') ?? 1
  const outputs = new Map<Pair, Record<(typeof PARTS)[number] | 'peak', string>>()
  for (const pair of pairs) outputs.set(pair, shadowsOf(e, copy, pair, opset))
  e.finish()
  const names = [...outputs.values()].flatMap((o) => Object.values(o))
  copy.graph.outputs = names.map((name) => ({ name, type: tensorType('float32') }))
  const session = await createSession(copy, { threads: o.threads, name: 'layers side by side' })
  const sums = new Map<Pair, LayerSums>()
  try {
    for await (const feeds of samples()) {
      o.signal?.throwIfAborted()
      const found = await session.run(feeds)
      for (const [pair, named] of outputs) {
        const numbers = (part: keyof typeof named) => found[named[part]]!.numbers()
        let sum = sums.get(pair)
        if (!sum) {
          const zeros = () => new Float64Array(numbers('signal').length)
          sum = {
            signal: zeros(),
            both: zeros(),
            weights: zeros(),
            inputs: zeros(),
            peak: new Float64Array(numbers('peak').length),
          }
          sums.set(pair, sum)
        }
        for (const part of PARTS) {
          const values = numbers(part)
          for (let c = 0; c < values.length; c++) sum[part][c]! += values[c]!
        }
        const peaks = numbers('peak')
        for (let c = 0; c < peaks.length; c++) sum.peak[c] = Math.max(sum.peak[c]!, peaks[c]!)
      }
    }
  } finally {
    await session.release()
  }
  return sums
}

function shadowsOf(e: Emitter, { graph }: Model, pair: Pair, opset: number): Record<(typeof PARTS)[number] | 'peak', string> {
  const node = graph.nodes.find((n) => n.outputs[0] === pair.float.outputs[0])!
  const { integer, name, dims } = pair
  const t = `${name}/shadow`
  const x = node.inputs[0]!
  const rounded = roundedBy(e, x, integer.input, t)
  const weight = e.constant(`${t}/weight`, TensorData.of('float32', dims, pair.rounded))
  const bias = integer.bias && node.inputs[2] ? e.constant(`${t}/bias`, TensorData.of('float32', integer.bias.levels.dims, realsOf(integer.bias))) : node.inputs[2] // prettier-ignore
  const again = (input: string, w: string, b: string | undefined): string => {
    const out = e.fresh(`${t}/again`)
    const inputs = b ? [input, w, b] : [input, w]
    graph.nodes.push({ ...node, name: out, inputs, outputs: [out], attrs: new Map(node.attrs), origin: undefined })
    return out
  }
  const y = node.outputs[0]!
  const squares = (value: string): string => {
    const square = e.add('Mul', [value, value], `${t}/square`)
    return overAll(e, 'ReduceSum', square, node, dims, opset, t)
  }
  const error = (value: string) => squares(e.add('Sub', [value, y], `${t}/error`))
  return {
    signal: squares(y),
    both: error(again(rounded, weight, bias)),
    weights: error(again(x, weight, bias)),
    inputs: error(again(rounded, node.inputs[1]!, node.inputs[2])),
    peak: overAll(e, 'ReduceMax', e.add('Abs', [x], `${t}/size`), node, dims, opset, t),
  }
}

/** A reduction over everything but the channels: axis 1 of a convolution's values, the last axis of a product's. */
function overAll(
  e: Emitter,
  op: 'ReduceSum' | 'ReduceMax',
  x: string,
  node: Node,
  dims: readonly number[],
  opset: number,
  t: string,
): string {
  const flat =
    node.op === 'Conv'
      ? x
      : e.add('Reshape', [x, e.constant(`${t}/rows`, TensorData.int64([-1, lastOf(node, dims, op)]))], `${t}/flat`)
  const axes = node.op === 'Conv' ? [0, ...dims.slice(2).map((_, i) => i + 2)] : [0]
  const asInput = op === 'ReduceSum' ? opset >= 13 : opset >= 18
  const keep = { keepdims: intAttr(0) }
  return asInput
    ? e.add(op, [flat, e.constant(`${t}/axes`, TensorData.int64(axes))], `${t}/${op}`, keep)
    : e.add(op, [flat], `${t}/${op}`, { ...keep, axes: intsAttr(axes) })
}

/** Length of the last axis of a product's result, or of what goes into it. */
function lastOf(node: Node, dims: readonly number[], op: 'ReduceSum' | 'ReduceMax'): number {
  const transposed = node.op === 'Gemm' && node.attrs.get('transB')?.value === 1
  return dims[(op === 'ReduceSum') === transposed ? 0 : 1]!
}

/** x rounded as the integers would: half to even, clipped at both ends. */
function roundedBy(e: Emitter, x: string, { scale, min, max }: IntegerRange, t: string): string {
  const number = (v: number) => e.constant(`${t}/number`, TensorData.scalar('float32', v))
  const low = Math.round(min / scale)
  const high = Math.round(max / scale)
  const steps = e.add('Round', [e.add('Div', [x, number(scale)], `${t}/steps`)], `${t}/whole`)
  const kept = e.add('Min', [e.add('Max', [steps, number(low)], `${t}/above`), number(high)], `${t}/within`)
  return e.add('Mul', [kept, number(scale)], `${t}/input`)
}

/** Sums of squares of named values of the float model and of the difference to the integer model's, errors of all layers before included. */
export async function cumulativeSums(
  float: Model,
  integer: Model,
  pairs: readonly { float: string; integer: string }[],
  samples: Samples,
  o: RunOptions,
): Promise<{ signal: number; noise: number }[]> {
  const open = (model: Model, names: readonly string[], name: string) => {
    const copy = cloneModel(model)
    const own = new Set(copy.graph.outputs.map((v) => v.name))
    for (const value of new Set(names)) if (!own.has(value)) copy.graph.outputs.push({ name: value, type: tensorType('float32') })
    return createSession(copy, { threads: o.threads, name })
  }
  const sums = pairs.map(() => ({ signal: 0, noise: 0 }))
  const a = await open(float, pairs.map((p) => p.float), 'float model') // prettier-ignore
  const b = await open(integer, pairs.map((p) => p.integer), 'quantized model') // prettier-ignore
  try {
    for await (const feeds of samples()) {
      o.signal?.throwIfAborted()
      const expected = await a.run(feeds, [...new Set(pairs.map((p) => p.float))])
      const found = await b.run(feeds, [...new Set(pairs.map((p) => p.integer))])
      pairs.forEach((pair, i) => {
        const p = expected[pair.float]!.numbers()
        const q = found[pair.integer]!.numbers()
        for (let k = 0; k < p.length; k++) {
          sums[i]!.signal += p[k]! ** 2
          sums[i]!.noise += (p[k]! - q[k]!) ** 2
        }
      })
    }
  } finally {
    await a.release()
    await b.release()
  }
  return sums
}
