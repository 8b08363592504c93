import { DATA_TYPES, getInt, usageOf, type DataType, type Graph, type Node, type TensorData, type Usage } from '../ir/index.ts'
import { constantsOf } from '../passes/index.ts'

/** Integers that stand for reals, read from a graph: real = (integer - zero) * scale. */
export interface IntegerRange {
  /** Value that holds the integers. */
  integers: string
  /** Value that was rounded; undefined where the integers come from elsewhere. */
  from: string | undefined
  dtype: DataType
  scale: number
  zero: number
  /** Reals that the integers cover. */
  min: number
  max: number
}

/** A constant stored as integers. */
export interface IntegerConstant {
  levels: TensorData
  /** One for each channel along `axis`, or one for all. */
  scale: Float64Array
  zero: Float64Array
  axis: number | undefined
}

/** A layer with integer weights and activations, as its QuantizeLinear and DequantizeLinear pairs (QDQ) say. */
export interface IntegerLayer {
  node: Node
  input: IntegerRange
  weight: IntegerConstant
  bias: IntegerConstant | undefined
  /** Where the layer's result is rounded, behind a Relu or Clip where there is one; undefined: it stays a float. */
  output: IntegerRange | undefined
}

const QUANTIZE = 'QuantizeLinear'
const DEQUANTIZE = 'DequantizeLinear'
const LAYERS = new Set(['Conv', 'Gemm', 'MatMul'])
const LIMITS: Partial<Record<DataType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
}

/** Reads the QDQ form of a graph, ours or another program's. Looks at names and constants alone. */
export class IntegerReader {
  readonly usage: Usage
  readonly #graph: Graph
  readonly #constant: ReturnType<typeof constantsOf>

  constructor(graph: Graph) {
    this.#graph = graph
    this.usage = usageOf(graph)
    this.#constant = constantsOf(graph)
  }

  /** Layers in integers, in the order of the graph. */
  layers(): IntegerLayer[] {
    return this.#graph.nodes.flatMap((node) => {
      if (node.domain !== '' || !LAYERS.has(node.op)) return []
      const input = this.activation(this.usage.producer.get(node.inputs[0]!))
      const weight = this.constant(this.usage.producer.get(node.inputs[1]!))
      if (!input || !weight) return []
      const bias = node.inputs[2] ? this.constant(this.usage.producer.get(node.inputs[2])) : undefined
      return [{ node, input, weight, bias, output: this.#output(node) }]
    })
  }

  /** Every rounded activation. */
  activations(): IntegerRange[] {
    return this.#graph.nodes.flatMap((node) => {
      const range = node.op === QUANTIZE ? this.#range(node, node.outputs[0]!) : undefined
      return range ? [range] : []
    })
  }

  /** What a DequantizeLinear of an activation covers. */
  activation(node: Node | undefined): IntegerRange | undefined {
    if (node?.op !== DEQUANTIZE || this.#constant(node.inputs[0])) return undefined
    return this.#range(node, node.inputs[0]!)
  }

  /** The constant that a DequantizeLinear makes floats of. */
  constant(node: Node | undefined): IntegerConstant | undefined {
    if (node?.op !== DEQUANTIZE) return undefined
    const levels = this.#constant(node.inputs[0])
    const scale = this.#constant(node.inputs[1])
    if (!levels || !scale) return undefined
    // There are no integer kernels for weights of 4 bits and fewer: floats are made of them.
    if (DATA_TYPES[levels.dtype].bits < 8) return undefined
    const zero = this.#constant(node.inputs[2])
    const many = scale.dims.length > 0 && scale.size > 1
    return {
      levels,
      scale: Float64Array.from(scale.numbers()),
      zero: Float64Array.from({ length: scale.size }, (_, i) => zero?.numbers()[zero.size === 1 ? 0 : i] ?? 0),
      axis: many ? getInt(node, 'axis', 1) : undefined,
    }
  }

  #range(node: Node, integers: string): IntegerRange | undefined {
    const scale = this.#constant(node.inputs[1])
    if (scale?.size !== 1) return undefined
    const zero = this.#constant(node.inputs[2])
    const dtype = zero?.dtype ?? 'uint8'
    const limits = LIMITS[dtype]
    if (!limits) return undefined
    const maker = this.usage.producer.get(integers)
    const [s, z] = [scale.numbers()[0]!, zero?.numbers()[0] ?? 0]
    return {
      integers,
      from: maker?.op === QUANTIZE ? maker.inputs[0] : undefined,
      dtype,
      scale: s,
      zero: z,
      min: (limits[0] - z) * s,
      max: (limits[1] - z) * s,
    }
  }

  #output(node: Node): IntegerRange | undefined {
    let value = node.outputs[0]!
    for (let hops = 0; hops < 3; hops++) {
      const [next, ...others] = this.usage.consumers.get(value) ?? []
      if (!next || others.length > 0) return undefined
      if (next.op === QUANTIZE) return this.#range(next, next.outputs[0]!)
      // The bias of a MatMul, or what the integers' lower end replaces.
      if (next.op !== 'Relu' && next.op !== 'Clip' && !(next.op === 'Add' && node.op === 'MatMul')) return undefined
      value = next.outputs[0]!
    }
    return undefined
  }
}

/** The reals of a constant, row-major. */
export function realsOf({ levels, scale, zero, axis }: IntegerConstant): Float32Array {
  const values = levels.numbers()
  const inner = axis === undefined ? values.length : levels.dims.slice(axis + 1).reduce((n, d) => n * d, 1)
  const channels = axis === undefined ? 1 : levels.dims[axis]!
  return Float32Array.from(values, (v, i) => {
    const c = scale.length === 1 ? 0 : Math.floor(i / inner) % channels
    return (v - zero[c]!) * scale[c]!
  })
}
