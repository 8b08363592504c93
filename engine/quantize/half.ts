import { probeTypes } from '../inspect/index.ts'
import {
  capturedBy,
  intAttr,
  makeNode,
  sortNodes,
  subgraphs,
  TensorData,
  tensorType,
  type DataType,
  type Graph,
  type Model,
  type Node,
} from '../ir/index.ts'
import { cloneModel, namesOf } from '../passes/index.ts'
import { accountOf } from './account.ts'
import { compare, withOutputs, type RunOptions, type Samples } from './calibrate.ts'
import { excluded } from './exclude.ts'
import { createSession } from '../session/index.ts'
import type { Quantized } from './quantizeModel.ts'

const WEIGHTED = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul'])
/** Largest number of half precision, and the share of it that values seen on samples may reach: others may be larger. */
const LARGEST = 65504
const ROOM = 0.5
const FLOAT = 1
const HALF = 10

export interface HalfOptions extends RunOptions {
  /** Nodes that stay in single precision: names, or /expressions/. */
  exclude?: readonly string[] | undefined
  samples: Samples
}

/**
 * Operators that compute in single precision: those without a half form in the standard or in ONNX Runtime, those that count or index, and those
 * whose small parameters decide where something lies.
 */
const SINGLE = new Set([
  'CumSum', 'DequantizeLinear', 'DynamicQuantizeLinear', 'Loop', 'If', 'Scan', 'MatMulNBits', 'MelWeightMatrix', 'Multinomial', 'NonMaxSuppression', 'OneHot',
  'QuantizeLinear', 'RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike', 'Range', 'Resize', 'RoiAlign', 'Upsample', 'STFT', 'DFT', 'TopK',
  'LSTM', 'GRU', 'RNN', 'StringNormalizer',
]) // prettier-ignore

/**
 * A half-precision form of a model: weights and values in 16 bits, inputs and outputs as they were. What would overflow on the samples stays in
 * single precision, between casts.
 */
export async function toHalfPrecision(model: Model, o: HalfOptions): Promise<Quantized> {
  const { types } = await probeTypes(model)
  const isSingle = (name: string) => types.get(name)?.dtype === 'float32'
  const largest = await largestValues(model, model.graph.nodes.flatMap((n) => n.outputs.filter((y) => y && isSingle(y))), o) // prettier-ignore
  const reasons = new Map<Node, string>()
  const result = cloneModel(model)
  const { graph } = result
  const captured = new Set(graph.nodes.flatMap((n) => subgraphs(n).flatMap((g) => [...capturedBy(g)])))
  // A cast between an operator and its DequantizeLinear or QuantizeLinear would keep ONNX Runtime from joining them to an integer kernel.
  const dequantized = new Set(graph.nodes.flatMap((n) => (n.op === 'DequantizeLinear' ? n.outputs : [])))
  const quantized = new Set(graph.nodes.flatMap((n) => (n.op === 'QuantizeLinear' ? [n.inputs[0]!] : [])))
  const inIntegers = (n: Node): boolean => {
    if (WEIGHTED.has(n.op)) return dequantized.has(n.inputs[1]!)
    const floats = n.inputs.filter((x) => x && isSingle(x))
    return floats.length > 0 && floats.every((x) => dequantized.has(x)) && n.outputs.some((y) => quantized.has(y))
  }
  for (const node of graph.nodes) {
    const reason = keepSingle(node, graph, largest, captured, inIntegers(node)) ?? excluded(node, o.exclude)
    if (reason !== undefined) reasons.set(node, reason)
  }
  rewrite(graph, reasons, isSingle)
  const named = graph.nodes.filter((n) => n.domain === '' && WEIGHTED.has(n.op))
  const layers = model.graph.nodes.filter((n) => n.domain === '' && WEIGHTED.has(n.op))
  const judged = layers.map((n) => n.outputs[0]!).filter(isSingle)
  const sqnr = await compare(model, result, new Set(judged), o.samples, o)
  const reasonOf = new Map(named.map((n) => [n.name || n.outputs[0]!, reasons.get(n)]))
  return {
    model: result,
    layers: layers.map((node) => {
      const reason = reasonOf.get(node.name || node.outputs[0]!)
      return accountOf(node, 'float16', reason, sqnr.get(node.outputs[0]!))
    }),
    rewrites: [],
    activations: [],
    warnings: [],
  }
}

/** Largest magnitude of each value over the samples. */
async function largestValues(model: Model, names: readonly string[], o: HalfOptions): Promise<Map<string, number>> {
  const largest = new Map<string, number>()
  const session = await createSession(withOutputs(model, names), { threads: o.threads, name: 'calibration' })
  try {
    let done = 0
    for await (const feeds of o.samples()) {
      o.signal?.throwIfAborted()
      const values = await session.run(feeds, [...names])
      for (const name of names) {
        const data = values[name]!.data as Float32Array
        let most = largest.get(name) ?? 0
        for (let i = 0; i < data.length; i++) if (Math.abs(data[i]!) > most) most = Math.abs(data[i]!)
        largest.set(name, most)
      }
      done += Object.values(feeds)[0]?.dims[0] ?? 1
      o.onProgress?.(done)
    }
  } finally {
    await session.release()
  }
  return largest
}

function keepSingle(
  node: Node,
  graph: Graph,
  largest: ReadonlyMap<string, number>,
  captured: ReadonlySet<string>,
  integer: boolean,
): string | undefined {
  if (node.domain !== '' && node.domain !== 'com.microsoft') return `operators of ${node.domain} have no half form`
  if (SINGLE.has(node.op)) return `${node.op} is computed in single precision`
  if (subgraphs(node).length > 0) return 'it holds graphs of its own'
  if (node.outputs.some((y) => captured.has(y))) return 'a graph inside of another node reads it'
  if (integer) return 'it is computed in integers'
  for (const name of [...node.inputs, ...node.outputs]) {
    const most = largest.get(name) ?? 0
    if (most > LARGEST * ROOM) return `'${name}' reaches ${most.toPrecision(3)}, and half precision ends at ${LARGEST}`
    const weight = graph.initializers.get(name)
    if (weight?.dtype === 'float32' && weight.numbers().some((v) => Math.abs(v) > LARGEST))
      return `'${name}' holds numbers above ${LARGEST}`
  }
  return undefined
}

/** Changes the graph in place. Every value that a half node makes is half; casts stand where the precisions meet, one for each value. */
function rewrite(graph: Graph, single: ReadonlyMap<Node, string>, isSingle: (name: string) => boolean): void {
  const taken = namesOf(graph)
  const fresh = (wanted: string): string => {
    let name = wanted
    for (let i = 2; taken.has(name); i++) name = `${wanted}_${i}`
    taken.add(name)
    return name
  }
  const added: Node[] = []
  const made = new Map<string, string>()
  const half = new Set<string>()
  for (const node of graph.nodes) if (!single.has(node)) for (const y of node.outputs) if (y && isSingle(y)) half.add(y)
  const cast = (name: string, to: DataType): string => {
    const key = `${to}:${name}`
    let other = made.get(key)
    if (other !== undefined) return other
    other = fresh(`${name}/${to}`)
    made.set(key, other)
    const weight = graph.initializers.get(name)
    if (weight) graph.initializers.set(other, weight.as(to))
    else added.push(makeNode('Cast', [name], [other], { to: intAttr(to === 'float16' ? HALF : FLOAT) }, { name: other }))
    return other
  }
  // Outputs keep their name and their type: the half value behind one gets another name.
  const outputs = new Set(graph.outputs.map((v) => v.name))
  const renamed = new Map<string, string>()
  for (const name of outputs) if (half.has(name)) renamed.set(name, fresh(`${name}/half`))
  const now = (name: string) => renamed.get(name) ?? name
  for (const node of graph.nodes) {
    const wantsHalf = !single.has(node)
    node.inputs = node.inputs.map((x) => {
      if (!x || !isSingle(x)) return x
      if (half.has(x)) return wantsHalf ? now(x) : cast(now(x), 'float32')
      return wantsHalf ? cast(x, 'float16') : x
    })
    node.outputs = node.outputs.map(now)
    if (wantsHalf) retypeAttributes(node)
  }
  for (const [name, from] of renamed)
    added.push(makeNode('Cast', [from], [name], { to: intAttr(FLOAT) }, { name: fresh(`${name}/cast`) }))
  for (const name of half)
    if (!outputs.has(name)) {
      const { type } = graph.values.get(name) ?? {}
      graph.values.set(name, { name, type: tensorType('float16', type?.kind === 'tensor' ? type.shape : undefined) })
    }
  const read = new Set([...graph.nodes, ...added].flatMap((n) => n.inputs))
  for (const name of [...graph.initializers.keys()]) if (!read.has(name) && !outputs.has(name)) graph.initializers.delete(name)
  graph.nodes.push(...added)
  sortNodes(graph)
}

/** A node that says its element type in an attribute. */
function retypeAttributes(node: Node): void {
  for (const name of ['to', 'dtype']) {
    const a = node.attrs.get(name)
    if (a?.type === 'int' && Number(a.value) === FLOAT) node.attrs.set(name, intAttr(HALF))
  }
  const value = node.attrs.get('value')
  if (value?.type === 'tensor' && value.value.dtype === 'float32')
    node.attrs.set('value', { type: 'tensor', value: value.value.as('float16') })
  const number = node.attrs.get('value_float') ?? node.attrs.get('value_floats')
  if (node.op === 'Constant' && (number?.type === 'float' || number?.type === 'floats')) {
    const list = number.type === 'float' ? [number.value] : number.value
    node.attrs.clear()
    node.attrs.set('value', {
      type: 'tensor',
      value: TensorData.from('float16', number.type === 'float' ? [] : [list.length], list),
    })
  }
}
