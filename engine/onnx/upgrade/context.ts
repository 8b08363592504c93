import { makeNode, TensorData, type Attribute, type DataType, type Node } from '../../ir/index.ts'
import type { Fact, Facts } from './facts.ts'

/**
 * Rewrites a node from its definition before a version to that of the version. Gives the nodes in its place, undefined to
 * leave it (it may be changed in place), or a sentence saying why it cannot be done.
 */
export type Rule = (node: Node, context: Context) => Node[] | string | undefined

/** Opset version to operator to rule. A version that widened only the types of an operator has no rule. */
export type Rules = Record<number, Record<string, Rule>>

/** Where new constants go: initializers of a graph, nodes of a function (which has no initializers). */
export interface Place {
  fresh(base: string): string
  constantOf(value: string): TensorData | undefined
  add(name: string, tensor: TensorData): Node[]
}

/** What a rule may ask for and make. One for each node that is rewritten. */
export class Context {
  readonly #place: Place
  readonly #facts: Facts
  readonly #node: Node
  /** Constant nodes that must come before the rewritten ones. */
  readonly before: Node[] = []

  constructor(place: Place, facts: Facts, node: Node) {
    this.#place = place
    this.#facts = facts
    this.#node = node
  }

  /** A new value name, after the node's own. */
  fresh(suffix: string): string {
    return this.#place.fresh(`${this.#node.outputs.find(Boolean) ?? this.#node.op}_${suffix}`)
  }

  fact(value: string): Fact {
    return this.#facts.get(value) ?? {}
  }

  rank = (value: string): number | undefined => this.fact(value).rank
  /** Element type of a value; float32 where nothing says. */
  dtype = (value: string): DataType => this.fact(value).dtype ?? 'float32'
  constantOf = (value: string): TensorData | undefined => this.#place.constantOf(value)

  constant(suffix: string, tensor: TensorData): string {
    const name = this.fresh(suffix)
    this.before.push(...this.#place.add(name, tensor))
    this.#facts.set(name, { rank: tensor.dims.length, dtype: tensor.dtype, shape: tensor.dims })
    return name
  }

  ints = (suffix: string, values: readonly number[]): string => this.constant(suffix, TensorData.int64(values))

  /** A node, and the name of its one output. */
  make(op: string, inputs: string[], attrs: Record<string, Attribute> = {}): [Node, string] {
    const out = this.fresh(op.toLowerCase())
    return [makeNode(op, inputs, [out], attrs), out]
  }

  /**
   * Takes an attribute from the node and makes it a constant, for operators whose attribute became an input. A reference
   * to a function's attribute becomes a Constant node that refers to it.
   */
  attributeToInput(node: Node, name: string, make: (attribute: Attribute) => TensorData | undefined): string | undefined {
    const attribute = node.attrs.get(name)
    node.attrs.delete(name)
    if (attribute === undefined) return undefined
    if (attribute.type === 'ref') {
      const field = { ints: 'value_ints', int: 'value_int', float: 'value_float', floats: 'value_floats' }[attribute.of]
      if (field === undefined) return undefined
      const out = this.fresh(name)
      this.before.push(makeNode('Constant', [], [out], { [field]: attribute }))
      return out
    }
    const tensor = make(attribute)
    return tensor && this.constant(name, tensor)
  }

  /** An `ints` attribute as an int64 input. */
  intsToInput = (node: Node, name: string): string | undefined =>
    this.attributeToInput(node, name, (a) => (a.type === 'ints' ? exactInts(a.value) : undefined))
}

/** Slices name 'to the end' by the largest integer there is, which a number does not hold. */
const exactInts = (values: readonly (number | bigint)[]): TensorData =>
  TensorData.of('int64', [values.length], BigInt64Array.from(values, BigInt))

/** The node with other inputs, trailing ones that are left out cut off. */
export function setInputs(node: Node, inputs: readonly (string | undefined)[]): void {
  const filled = inputs.map((name) => name ?? '')
  while (filled.at(-1) === '') filled.pop()
  node.inputs = filled
}
