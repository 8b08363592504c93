import { getInt, getInts, getString, intAttr, makeNode, TensorData, type Graph, type Model, type Node } from '../ir/index.ts'
import { cloneModel } from '../passes/index.ts'
import { Emitter } from './emitter.ts'
import { IntegerReader, type IntegerLayer } from './integers.ts'

/** What x86 processors without VNNI do to one layer. */
export interface SaturatingLayer {
  name: string
  op: string
  /** Pairs of products that are added in 16 bits, counted in the weights alone. */
  pairs: number
  /** Those that would overflow if both activations were at the end of their range. */
  atRisk: number
  /** Why the layer is not simulated though its pairs are at risk. */
  reason?: string
}

export interface Saturating {
  /** Gives on any processor what the integer kernels without VNNI give. */
  model: Model
  layers: SaturatingLayer[]
}

/** Pairs whose corrections are computed at one time: bounds memory. */
const CHUNK = 4096
const [LOW, HIGH] = [-32768, 32767]
/** First opset whose Pad and Slice take their sizes as inputs. */
const OPSET = 11

interface Pair {
  /** Output channel. */
  channel: number
  /** Places of the two weights along the summed axis, in the kernel's order; the second may be missing. */
  at: readonly [number, number]
  weights: readonly [number, number]
}

/**
 * The model as x86 processors with AVX2 or AVX-512 but without VNNI compute it. Their instruction vpmaddubsw multiplies unsigned activations with signed
 * weights, adds the products in pairs and clips each sum to 16 bits. ONNX Runtime's kernels pair neighbours along the summed axis: columns of a
 * product, and for convolutions channels inside positions of the kernel, padding being the zero point. Depthwise convolutions and ConvInteger use
 * wider kernels and are exact. To each affected layer the difference is added that clipping makes; pairs that cannot overflow cost nothing.
 * Source: the instruction's definition (Intel SDM, PMADDUBSW); the order was compared with the kernels on such a processor.
 */
export function simulateSaturation(model: Model): Saturating {
  const copy = cloneModel(model)
  const { graph } = copy
  const emitter = new Emitter(graph)
  const opset = model.opsets.get('') ?? model.opsets.get('ai.onnx') ?? 1
  const layers = affected(graph).map((found) => {
    const account = accountOf(found)
    const reason = account.atRisk === 0 ? undefined : opset < OPSET ? `opset ${opset}` : found.refusal()
    if (account.atRisk > 0 && reason === undefined) found.write(emitter)
    return { ...account, ...(reason === undefined ? {} : { reason }) }
  })
  emitter.finish()
  return { model: copy, layers }
}

/** What `simulateSaturation` would find, without making the model. */
export const saturationRisk = (model: Model): SaturatingLayer[] => affected(model.graph).map(accountOf)

const accountOf = ({ node, survey }: Layer | Product): SaturatingLayer => ({
  name: node.name || node.outputs[0]!,
  op: node.op,
  pairs: survey.pairs,
  atRisk: survey.atRisk,
})

/** Layers in integers, static ones first. A convolution that gives floats is computed in floats. */
function affected(graph: Graph): (Layer | Product)[] {
  const layers = new IntegerReader(graph).layers().filter((l) => l.node.op !== 'Conv' || l.output)
  const products = graph.nodes.flatMap((node) => {
    const weight = dynamicProduct(graph, node)
    return weight ? [new Product(node, weight)] : []
  })
  return [...layers.map((l) => new Layer(l)), ...products]
}

/** The pairs of a layer: how many there are, how many can leave 16 bits for some activations in [0, 255], and those on demand. */
interface Survey {
  pairs: number
  atRisk: number
  risky(): Pair[]
}

function surveyOf(weightOf: (channel: number, k: number) => number, channels: number, depth: number): Survey {
  const each = (found: (channel: number, k: number, a: number, b: number) => void) => {
    for (let channel = 0; channel < channels; channel++)
      for (let k = 0; k < depth; k += 2) {
        const a = weightOf(channel, k)
        const b = k + 1 < depth ? weightOf(channel, k + 1) : 0
        const largest = 255 * (Math.max(a, 0) + Math.max(b, 0))
        const smallest = 255 * (Math.min(a, 0) + Math.min(b, 0))
        if (largest > HIGH || smallest < LOW) found(channel, k, a, b)
      }
  }
  let atRisk = 0
  each(() => atRisk++)
  const risky = () => {
    const out: Pair[] = []
    each((channel, k, a, b) => out.push({ channel, at: [k, k + 1], weights: [a, b] }))
    return out
  }
  return { pairs: channels * Math.ceil(depth / 2), atRisk, risky }
}

/** Splits pairs into groups of bounded size; those of one channel stay together. */
function chunks(pairs: readonly Pair[]): Pair[][] {
  const out: Pair[][] = []
  for (const pair of pairs) {
    const last = out.at(-1)
    if (!last || (last.length >= CHUNK && last.at(-1)!.channel !== pair.channel)) out.push([pair])
    else last.push(pair)
  }
  return out
}

/** What clipping changes: min(0, HIGH - p) + max(0, LOW - p) for p = x[a] wa + x[b] wb, pairs lying along `axis` of x. */
function clipped(e: Emitter, x: string, pairs: readonly Pair[], axis: number, rank: 'rows' | 'columns', title: string): string {
  const shape = rank === 'rows' ? [pairs.length, 1] : [pairs.length]
  const side = (i: 0 | 1): string => {
    const index = TensorData.from('int32', [pairs.length], pairs.map((p) => p.at[i])) // prettier-ignore
    const weight = TensorData.from('float32', shape, pairs.map((p) => p.weights[i])) // prettier-ignore
    const picked = e.add('Gather', [x, e.constant(`${title}/index`, index)], `${title}/picked`, { axis: intAttr(axis) })
    return e.add('Mul', [picked, e.constant(`${title}/pair`, weight)], `${title}/products`)
  }
  const sum = e.add('Add', [side(0), side(1)], `${title}/sum`)
  const bound = (v: number) => e.constant(`${title}/limit`, TensorData.scalar('float32', v))
  const kept = e.add('Min', [e.add('Max', [sum, bound(LOW)], `${title}/above`), bound(HIGH)], `${title}/clipped`)
  return e.add('Sub', [kept, sum], `${title}/lost`)
}

/** 1 where a pair belongs to a channel; [channels, pairs]. */
function membership(pairs: readonly Pair[], first: number, channels: number): Float32Array {
  const out = new Float32Array(channels * pairs.length)
  pairs.forEach((p, i) => (out[(p.channel - first) * pairs.length + i] = 1))
  return out
}

class Layer {
  readonly node: Node
  readonly survey: Survey
  readonly #layer: IntegerLayer
  readonly #channels: number
  readonly #title: string
  /** What is added to the stored activations before they are multiplied. */
  readonly #offset: number

  constructor(layer: IntegerLayer) {
    this.#layer = layer
    const { node, weight, input } = layer
    this.node = node
    this.#title = `${node.name || node.outputs[0]}/saturation`
    const { dims } = weight.levels
    const values = weight.levels.numbers()
    const conv = node.op === 'Conv'
    const rows = conv || (node.op === 'Gemm' && getInt(node, 'transB', 0) === 1)
    const depth = conv ? values.length / dims[0]! : rows ? dims[1]! : dims[0]!
    this.#channels = rows ? dims[0]! : dims[1]!
    const depthwise = conv && getInt(node, 'group', 1) > 1 && dims[1] === 1 && dims[0] === getInt(node, 'group', 1)
    // Unsigned weights meet other kernels.
    const affected = weight.levels.dtype === 'int8' && /^u?int8$/.test(input.dtype) && !depthwise
    // Signed activations are made unsigned first.
    this.#offset = input.dtype === 'int8' ? 128 : 0
    const inner = conv ? dims[1]! : 1
    const taps = conv ? depth / inner : 1
    const at = (channel: number, k: number): number => {
      if (!conv) return values[rows ? channel * depth + k : k * this.#channels + channel]!
      return values[(channel * inner + (k % inner)) * taps + Math.floor(k / inner)]!
    }
    this.survey = affected ? surveyOf(at, this.#channels, depth) : { pairs: 0, atRisk: 0, risky: () => [] }
  }

  refusal(): string | undefined {
    const { node } = this
    const padding = getString(node, 'auto_pad', 'NOTSET')
    return node.op !== 'Conv' || padding === 'NOTSET' || padding === 'VALID' ? undefined : `its padding is ${padding}`
  }

  write(e: Emitter): void {
    const { node, input, weight } = this.#layer
    const risky = this.survey.risky()
    const stored = e.add('Cast', [input.integers], `${this.#title}/activations`, { to: intAttr(1) })
    const offset = () => e.constant(`${this.#title}/offset`, TensorData.scalar('float32', this.#offset))
    const x = this.#offset === 0 ? stored : e.add('Add', [stored, offset()], `${this.#title}/unsigned`)
    const lost = node.op === 'Conv' ? this.#convolution(e, x, risky) : product(e, x, risky, this.#channels, this.#title)
    const scale = Float32Array.from(
      { length: this.#channels },
      (_, c) => input.scale * weight.scale[weight.scale.length === 1 ? 0 : c]!,
    )
    const dims = node.op === 'Conv' ? [1, this.#channels, ...weight.levels.dims.slice(2).map(() => 1)] : [this.#channels]
    const real = e.add(
      'Mul',
      [lost, e.constant(`${this.#title}/scale`, TensorData.of('float32', dims, scale))],
      `${this.#title}/reals`,
    )
    const [output] = node.outputs
    const exact = e.fresh(`${output}/exact`)
    node.outputs = [exact]
    const shaped =
      node.op === 'Conv' ? e.add('Reshape', [real, e.add('Shape', [exact], `${this.#title}/shape`)], `${this.#title}/shaped`) : real
    e.graph.nodes.push(makeNode('Add', [exact, shaped], [output!], {}, { name: e.fresh(`${this.#title}/add`) }))
  }

  /** [N, channels, 1…, positions]: what every output position loses. */
  #convolution(e: Emitter, x: string, risky: readonly Pair[]): string {
    const { node, input, weight } = this.#layer
    const t = this.#title
    const kernel = weight.levels.dims.slice(2)
    const groups = getInt(node, 'group', 1)
    const perGroup = weight.levels.dims[1]!
    const strides = getInts(node, 'strides') ?? kernel.map(() => 1)
    const dilations = getInts(node, 'dilations') ?? kernel.map(() => 1)
    const pads = getString(node, 'auto_pad', 'NOTSET') === 'VALID' ? undefined : getInts(node, 'pads')
    const rank = kernel.length
    let padded = x
    if (pads?.some((p) => p !== 0)) {
      const all = [0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)]
      const zero = e.constant(`${t}/zero`, TensorData.scalar('float32', input.zero + this.#offset))
      padded = e.add('Pad', [x, e.constant(`${t}/pads`, TensorData.int64(all)), zero], `${t}/padded`)
    }
    // One slice for each position of the kernel: the channels under it at all output positions.
    const axes = e.constant(`${t}/axes`, TensorData.int64(kernel.map((_, i) => i + 2)))
    const steps = e.constant(`${t}/steps`, TensorData.int64(strides))
    const flat = e.constant(`${t}/flat`, TensorData.int64([0, groups * perGroup, -1]))
    const taps = kernel.reduce((n, d) => n * d, 1)
    const slices = Array.from({ length: taps }, (_, tap) => {
      let rest = tap
      const place = kernel.map(() => 0)
      for (let i = rank - 1; i >= 0; i--) {
        place[i] = (rest % kernel[i]!) * dilations[i]!
        rest = Math.floor(rest / kernel[i]!)
      }
      // A position that lies `after` steps before the kernel's end stops as many steps before the picture's end.
      const ends = place.map((p, i) => {
        const after = (kernel[i]! - 1) * dilations[i]! - p
        return after === 0 ? 2 ** 31 - 1 : -after
      })
      const bounds = [place, ends].map((v) => e.constant(`${t}/bounds`, TensorData.int64(v)))
      return e.add('Reshape', [e.add('Slice', [padded, ...bounds, axes, steps], `${t}/slice`), flat], `${t}/tap`)
    })
    const columns = slices.length === 1 ? slices[0]! : e.add('Concat', slices, `${t}/columns`, { axis: intAttr(1) })
    const all = groups * perGroup
    const channelsPerGroup = this.#channels / groups
    const depth = taps * perGroup
    // Along the columns every tap has the channels of all groups; a missing second half is multiplied with 0.
    const columnOf = (channel: number, k: number): number => {
      const at = Math.min(k, depth - 1)
      return Math.floor(at / perGroup) * all + Math.floor(channel / channelsPerGroup) * perGroup + (at % perGroup)
    }
    const placed = risky.map((p) => ({ ...p, at: [columnOf(p.channel, p.at[0]), columnOf(p.channel, p.at[1])] as const }))
    const parts = chunks(placed).map((pairs) => {
      const lost = clipped(e, columns, pairs, 1, 'rows', t)
      const who = TensorData.of('float32', [this.#channels, pairs.length], membership(pairs, 0, this.#channels))
      return e.add('MatMul', [e.constant(`${t}/channels`, who), lost], `${t}/sums`)
    })
    const sum = parts.reduce((a, b) => e.add('Add', [a, b], `${t}/together`))
    return e.add(
      'Reshape',
      [sum, e.constant(`${t}/spread`, TensorData.int64([0, 0, ...kernel.slice(1).map(() => 1), -1]))],
      `${t}/spread`,
    )
  }
}

/** [..., channels]: what every product loses; x is [..., depth]. */
function product(e: Emitter, x: string, risky: readonly Pair[], channels: number, t: string): string {
  const depth = Math.max(...risky.map((p) => p.at[0])) + 1
  const placed = risky.map((p) => ({ ...p, at: [p.at[0], p.weights[1] === 0 ? Math.min(p.at[1], depth - 1) : p.at[1]] as const }))
  const parts = chunks(placed).map((pairs) => {
    const lost = clipped(e, x, pairs, -1, 'columns', t)
    const rows = membership(pairs, 0, channels)
    const who = new Float32Array(rows.length)
    for (let c = 0; c < channels; c++) for (let i = 0; i < pairs.length; i++) who[i * channels + c] = rows[c * pairs.length + i]!
    return e.add(
      'MatMul',
      [lost, e.constant(`${t}/channels`, TensorData.of('float32', [pairs.length, channels], who))],
      `${t}/sums`,
    )
  })
  return parts.reduce((a, b) => e.add('Add', [a, b], `${t}/together`))
}

/** The weight of a MatMulInteger of unsigned activations with constant signed weights. */
function dynamicProduct(graph: Graph, node: Node): TensorData | undefined {
  if (node.op !== 'MatMulInteger' || node.domain !== '') return undefined
  const weight = graph.initializers.get(node.inputs[1]!)
  const maker = graph.nodes.find((n) => n.outputs[0] === node.inputs[0])
  return weight?.dtype === 'int8' && weight.dims.length === 2 && maker?.op === 'DynamicQuantizeLinear' ? weight : undefined
}

class Product {
  readonly node: Node
  readonly survey: Survey
  readonly #channels: number

  constructor(node: Node, weight: TensorData) {
    this.node = node
    const [depth, channels] = weight.dims as [number, number]
    const values = weight.numbers()
    this.#channels = channels
    this.survey = surveyOf((c, k) => values[k * channels + c]!, channels, depth)
  }

  refusal(): undefined {
    return undefined
  }

  write(e: Emitter): void {
    const title = `${this.node.name || this.node.outputs[0]}/saturation`
    const x = e.add('Cast', [this.node.inputs[0]!], `${title}/activations`, { to: intAttr(1) })
    const sums = product(e, x, this.survey.risky(), this.#channels, title)
    const lost = e.add('Cast', [sums], `${title}/integers`, { to: intAttr(6) })
    const [output] = this.node.outputs
    const exact = e.fresh(`${output}/exact`)
    this.node.outputs = [exact]
    e.graph.nodes.push(makeNode('Add', [exact, lost], [output!], {}, { name: e.fresh(`${title}/add`) }))
  }
}
