import { getInt, intAttr, TensorData, type DataType, type Graph, type Model, type Node } from '../../ir/index.ts'
import { upgradeOpset } from '../../onnx/index.ts'
import { cloneModel } from '../../passes/index.ts'
import eliminateDead from '../../passes/rewrites/eliminate-dead.ts'
import { Emitter } from '../emitter.ts'

/** Lowest and highest code of an integer type. */
const ENDS: Partial<Record<DataType, readonly [number, number]>> = {
  int8: [-128, 127], uint8: [0, 255], int16: [-32768, 32767], uint16: [0, 65535], int4: [-8, 7], uint4: [0, 15], int32: [-(2 ** 31), 2 ** 31 - 1],
} // prettier-ignore
/** Least opset in which every node that is written here has the form it is written in. */
const OPSET = 13

/**
 * The model with every integer replaced by the real number of the same size: scaling, rounding to even, clipping and exact sums are written out in float
 * operators, so that no integer kernel and no fusion of the runtime takes part. Values keep their names; those that were integers hold the codes
 * as float32. What the quantized model means, as the ONNX standard defines its operators, against which its kernels are judged.
 */
export function simulation(model: Model): Model {
  const opset = model.opsets.get('') ?? 1
  const source = opset < OPSET ? upgradeOpset(model, OPSET).model : model
  const copy = cloneModel(source)
  new Simulator(copy.graph).run()
  eliminateDead.run(copy.graph)
  // Types of values that were integers no longer hold.
  copy.graph.values = new Map()
  return copy
}

class Simulator {
  readonly #graph: Graph
  readonly #e: Emitter

  constructor(graph: Graph) {
    this.#graph = graph
    this.#e = new Emitter(graph)
  }

  run(): void {
    for (const node of [...this.#graph.nodes]) {
      const write = WRITERS[node.op]
      if (!write || (node.domain !== '' && node.domain !== 'com.microsoft')) continue
      write(this.#context(node))
      this.#graph.nodes = this.#graph.nodes.filter((n) => n !== node)
    }
    this.#e.finish()
  }

  #context(node: Node): Context {
    const e = this.#e
    const graph = this.#graph
    const named = (op: string, inputs: string[], out: string, attrs: Node['attrs'] = new Map()) =>
      void graph.nodes.push({ op, domain: '', name: e.fresh(`${out}/${op}`), inputs, outputs: [out], attrs, doc: '', overload: '' })
    const title = node.name || node.outputs[0]!
    const known = (name: string | undefined) => (name ? graph.initializers.get(name) : undefined)
    const real = (name: string): string => {
      const data = known(name)
      return data && data.dtype !== 'float32' ? e.constant(`${name}/real`, data.as('float32')) : name
    }
    const number = (value: number) => e.constant(`${title}/number`, TensorData.scalar('float32', value))
    const shaped = (name: string, axis: number | undefined, rank: number | undefined): string => {
      const data = known(name)
      if (axis === undefined || rank === undefined || !data || data.dims.length !== 1 || data.size === 1) return real(name)
      const dims = Array.from({ length: rank }, (_, i) => (i === (axis + rank) % rank ? data.size : 1))
      return e.constant(`${name}/shaped`, data.as('float32').reshape(dims))
    }
    return { node, graph, e, named, title, known, real, number, shaped }
  }
}

interface Context {
  node: Node
  graph: Graph
  e: Emitter
  title: string
  /** Writes a node whose output has a given name. */
  named(op: string, inputs: string[], out: string, attrs?: Node['attrs']): void
  known(name: string | undefined): TensorData | undefined
  /** The float form of a constant; a computed value as it is. */
  real(name: string): string
  number(value: number): string
  /** A list of numbers along an axis, to be broadcast. */
  shaped(name: string, axis: number | undefined, rank: number | undefined): string
}

/** (codes - zero) scale */
function dequantized(c: Context, [codes, scale, zero]: (string | undefined)[], wanted: string, axis?: number): string {
  const rank = c.known(codes)?.dims.length
  const s = c.shaped(scale!, axis, rank)
  const centred = zero ? c.e.add('Sub', [c.real(codes!), c.shaped(zero, axis, rank)], `${wanted}/centred`) : c.real(codes!)
  return c.e.add('Mul', [centred, s], wanted)
}

/** clip(round(x / scale) + zero), under the given name. */
function quantized(c: Context, x: string, scale: string, zero: string | undefined, out: string, dtype: DataType): void {
  const ratio = c.e.add('Div', [x, c.real(scale)], `${out}/ratio`)
  const round = c.e.add('Round', [ratio], `${out}/rounded`)
  const moved = zero ? c.e.add('Add', [round, c.real(zero)], `${out}/moved`) : round
  const [low, high] = ENDS[dtype] ?? ENDS.uint8!
  c.named('Clip', [moved, c.number(low), c.number(high)], out)
}

const axisAttr = (node: Node): number => getInt(node, 'axis', 1)
const copied = (node: Node, ...leave: string[]): Node['attrs'] => new Map([...node.attrs].filter(([name]) => !leave.includes(name)))

const WRITERS: Readonly<Record<string, (c: Context) => void>> = {
  QuantizeLinear(c) {
    const [x, scale, zero] = c.node.inputs as [string, string, string | undefined]
    quantized(c, x, scale, zero, c.node.outputs[0]!, c.known(zero)?.dtype ?? 'uint8')
  },
  DequantizeLinear(c) {
    const { node } = c
    c.named('Identity', [dequantized(c, node.inputs, `${c.title}/value`, axisAttr(node))], node.outputs[0]!)
  },
  DynamicQuantizeLinear(c) {
    const [x] = c.node.inputs as [string]
    const [y, scale, zero] = c.node.outputs as [string, string, string]
    const end = (op: string, bound: string) =>
      c.e.add(bound, [c.e.add(op, [x], `${x}/${op}`, { keepdims: intAttr(0) }), c.number(0)], `${x}/end`)
    const [low, high] = [end('ReduceMin', 'Min'), end('ReduceMax', 'Max')]
    c.named('Div', [c.e.add('Sub', [high, low], `${x}/span`), c.number(255)], scale)
    const start = c.e.add('Round', [c.e.add('Div', [c.e.add('Neg', [low], `${x}/low`), scale], `${x}/start`)], `${x}/nearest`)
    c.named('Clip', [start, c.number(0), c.number(255)], zero)
    quantized(c, x, scale, zero, y, 'uint8')
  },
  MatMulInteger: (c) => integerProduct(c, 'MatMul'),
  ConvInteger: (c) => integerProduct(c, 'Conv'),
  QLinearConv(c) {
    const [x, xs, xz, w, ws, wz, ys, yz, bias] = c.node.inputs
    const inputs = [dequantized(c, [x, xs, xz], `${c.title}/x`), dequantized(c, [w, ws, wz], `${c.title}/w`, 0)]
    if (bias) {
      const scale = c.e.add('Mul', [c.real(xs!), c.real(ws!)], `${c.title}/bias/scale`)
      inputs.push(c.e.add('Mul', [c.real(bias), scale], `${c.title}/bias/value`))
    }
    const y = c.e.fresh(`${c.title}/y`)
    c.named('Conv', inputs, y, copied(c.node))
    quantized(c, y, ys!, yz, c.node.outputs[0]!, c.known(yz)?.dtype ?? 'uint8')
  },
  QLinearMatMul(c) {
    const [a, as, az, b, bs, bz, ys, yz] = c.node.inputs
    const rank = c.known(b)?.dims.length
    const y = c.e.add('MatMul', [dequantized(c, [a, as, az], `${c.title}/a`), dequantized(c, [b, bs, bz], `${c.title}/b`, rank && rank - 1)], `${c.title}/y`) // prettier-ignore
    quantized(c, y, ys!, yz, c.node.outputs[0]!, c.known(yz)?.dtype ?? 'uint8')
  },
  QGemm(c) {
    const [a, as, az, b, bs, bz, bias, ys, yz] = c.node.inputs as (string | undefined)[]
    const transB = getInt(c.node, 'transB', 0)
    const inputs = [dequantized(c, [a, as, az], `${c.title}/a`), dequantized(c, [b, bs, bz], `${c.title}/b`, transB ? 0 : 1)]
    if (bias) {
      const scale = c.e.add('Mul', [c.real(as!), c.real(bs!)], `${c.title}/bias/scale`)
      inputs.push(c.e.add('Mul', [c.real(bias), scale], `${c.title}/bias/value`))
    }
    const y = c.e.fresh(`${c.title}/y`)
    c.named('Gemm', inputs, ys ? y : c.node.outputs[0]!, copied(c.node))
    if (ys) quantized(c, y, ys, yz, c.node.outputs[0]!, c.known(yz)?.dtype ?? 'uint8')
  },
  QLinearAdd(c) {
    const [a, as, az, b, bs, bz, ys, yz] = c.node.inputs
    const y = c.e.add('Add', [dequantized(c, [a, as, az], `${c.title}/a`), dequantized(c, [b, bs, bz], `${c.title}/b`)], `${c.title}/y`) // prettier-ignore
    quantized(c, y, ys!, yz, c.node.outputs[0]!, c.known(yz)?.dtype ?? 'uint8')
  },
  QLinearGlobalAveragePool: (c) => pooled(c, 'GlobalAveragePool'),
  QLinearAveragePool: (c) => pooled(c, 'AveragePool'),
  QLinearConcat(c) {
    const [ys, yz, ...rest] = c.node.inputs
    const parts = Array.from({ length: rest.length / 3 }, (_, i) => dequantized(c, rest.slice(3 * i, 3 * i + 3), `${c.title}/part`))
    const y = c.e.fresh(`${c.title}/y`)
    c.named('Concat', parts, y, copied(c.node))
    quantized(c, y, ys!, yz, c.node.outputs[0]!, c.known(yz)?.dtype ?? 'uint8')
  },
  MatMulNBits(c) {
    const [x, packed, scales, zeros] = c.node.inputs as (string | undefined)[]
    const weight = unpacked(c.node, c.known(packed)!, c.known(scales)!, c.known(zeros))
    c.named('MatMul', [x!, c.e.constant(`${c.title}/weight`, weight)], c.node.outputs[0]!)
  },
  // What comes of sums of integers is cast to float; here it is one already.
  Cast(c) {
    const to = getInt(c.node, 'to', 1)
    const summed = c.graph.nodes.some((n) => n.outputs[0] === c.node.inputs[0] && (n.op === 'MatMul' || n.op === 'Conv'))
    if (to === 1 && summed) c.named('Identity', [c.node.inputs[0]!], c.node.outputs[0]!)
    else c.named('Cast', [...c.node.inputs], c.node.outputs[0]!, c.node.attrs)
  },
}

function integerProduct(c: Context, op: 'MatMul' | 'Conv'): void {
  const [a, b, az, bz] = c.node.inputs as (string | undefined)[]
  const centred = (x: string, zero: string | undefined, title: string) =>
    zero ? c.e.add('Sub', [c.real(x), c.real(zero)], `${c.title}/${title}`) : c.real(x)
  c.named(op, [centred(a!, az, 'a'), centred(b!, bz, 'b')], c.node.outputs[0]!, copied(c.node))
}

function pooled(c: Context, op: string): void {
  const [x, xs, xz, ys, yz] = c.node.inputs
  const y = c.e.fresh(`${c.title}/y`)
  c.named(op, [dequantized(c, [x, xs, xz], `${c.title}/x`)], y, copied(c.node, 'channels_last'))
  quantized(c, y, ys!, yz, c.node.outputs[0]!, c.known(yz)?.dtype ?? 'uint8')
}

/** The weight [K, N] of a product with packed blocks: uint8 [N, blocks, bytes], a scale and a zero point for each block. */
function unpacked(node: Node, packed: TensorData, scales: TensorData, zeros: TensorData | undefined): TensorData {
  const [k, n, bits, block] = ['K', 'N', 'bits', 'block_size'].map((name) => getInt(node, name, 4)) as [
    number,
    number,
    number,
    number,
  ]
  const blocks = Math.ceil(k / block)
  const bytes = packed.data as Uint8Array
  const scale = scales.numbers()
  const zero = zeros?.data as Uint8Array | undefined
  const at = (data: Uint8Array, row: number, i: number): number =>
    bits === 8 ? data[row + i]! : (data[row + (i >> 1)]! >> (4 * (i & 1))) & 15
  const zeroRow = Math.ceil((blocks * bits) / 8)
  const out = new Float32Array(k * n)
  for (let row = 0; row < n; row++)
    for (let i = 0; i < k; i++) {
      const b = Math.floor(i / block)
      const level = at(bytes, (row * blocks + b) * ((block * bits) / 8), i % block)
      const z = zero ? at(zero, row * zeroRow, b) : 2 ** (bits - 1)
      out[i * n + row] = (level - z) * scale[row * blocks + b]!
    }
  return TensorData.of('float32', [k, n], out)
}
