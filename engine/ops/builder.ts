import { BugError, ModelError, UnsupportedError } from '../errors.ts'
import {
  makeGraph,
  makeModel,
  showNode,
  showShape,
  subgraphs,
  tensorType,
  TensorData,
  type Attribute,
  type DataType,
  type Graph,
  type Model,
  type Node,
  type Shape,
  type TypedArray,
} from '../ir/index.ts'
import { formatAttrs, parseAttrs, type AttrValue } from './attrs.ts'
import { PRIVATE, type OpRule, type RuleBook, type Slots, type TensorType } from './rule.ts'
import { capturesOf, renameCaptures } from './support/subgraph.ts'
import { Tensor } from './tensor.ts'

/** One call of an operator, as it was emitted. Steps are in topological order by construction. */
export interface Step {
  readonly index: number
  /** Undefined for an operator that this program has no rule for (it runs, but has no gradient). */
  readonly rule: OpRule | undefined
  readonly node: Node
  readonly a: Record<string, AttrValue>
  /** The node's inputs; for an opaque node with subgraphs, then what those capture. */
  readonly inputs: readonly (Tensor | undefined)[]
  readonly outputs: readonly Tensor[]
  /** Why the operator is opaque, where there is more to say than that it has no rule. */
  readonly reason?: string | undefined
}

export interface EmitOptions {
  domain?: string
  /** Number of outputs (default 1). */
  outputs?: number
  /** Wanted names of the outputs; made unique where taken. */
  names?: readonly string[]
  nodeName?: string
}

/** Largest constant that is evaluated while building. Shape arithmetic and scalars are far below; weights are above. */
const FOLD_LIMIT = 4096

/**
 * Builds a graph by running it symbolically: every call on a `Tensor` appends one step and infers its shape. Equal calls are
 * merged, known values are folded, so gradient rules may recompute what they need.
 */
export class Builder {
  readonly rules: RuleBook
  readonly opset: number
  readonly steps: Step[] = []
  readonly inputs: Tensor[] = []
  /** Steps that a gradient went through by their rule's `expand`: that form is part of the graph too. */
  readonly expanded = new Set<number>()
  readonly #names = new Set<string>()
  readonly #nodeNames = new Set<string>()
  readonly #counters = new Map<string, number>()
  readonly #merged = new Map<string, readonly Tensor[]>()
  readonly #constants = new Map<string, Tensor>()
  #nextId = 0

  constructor(rules: RuleBook, opset: number) {
    this.rules = rules
    this.opset = opset
  }

  /** A value fed at run time. */
  input(name: string, dtype: DataType, shape: readonly number[]): Tensor {
    const t = this.#tensor(this.unique(name), { dtype, shape })
    this.inputs.push(t)
    return t
  }

  /** A known value. Equal small constants are shared. */
  constant(data: TensorData, name?: string): Tensor {
    const small = data.size <= 64 && data.dtype !== 'string' && name === undefined
    const key = small ? `${data.dtype}:${data.dims.join()}:${Array.from(data.bytes).join()}` : ''
    const known = small ? this.#constants.get(key) : undefined
    if (known) return known
    const t = this.#tensor(this.unique(name ?? 'const'), { dtype: data.dtype, shape: data.dims }, data)
    if (small) this.#constants.set(key, t)
    return t
  }

  scalar(value: number, dtype: DataType = 'float32'): Tensor {
    return this.constant(TensorData.scalar(dtype, value))
  }

  /** A 1-D int64 constant: axes, shapes, pads. */
  ints(values: readonly number[]): Tensor {
    return this.constant(TensorData.int64(values))
  }

  /** A constant filled with one value, without storing it: an expanded scalar. */
  full(shape: readonly number[], value: number, dtype: DataType = 'float32'): Tensor {
    return this.scalar(value, dtype).expand(shape)
  }

  zeros(shape: readonly number[], dtype: DataType = 'float32'): Tensor {
    return this.full(shape, 0, dtype)
  }

  array(dtype: DataType, shape: readonly number[], values: TypedArray | readonly number[]): Tensor {
    return this.constant(ArrayBuffer.isView(values) ? TensorData.of(dtype, shape, values) : TensorData.from(dtype, shape, values))
  }

  /** Emits an operator by its rule. Attributes are plain values. Errors: ModelError when shapes or types do not fit. */
  emit(
    op: string,
    inputs: readonly (Tensor | undefined)[],
    attrs: Record<string, AttrValue> = {},
    options: EmitOptions = {},
  ): Tensor[] {
    const domain = options.domain ?? ''
    const rule = this.rules.find(op, domain, this.opset)
    if (!rule) throw new BugError(`no rule for ${domain ? `${domain}.` : ''}${op} at opset ${this.opset}`)
    return this.#call(rule, op, domain, inputs, formatAttrs(rule.attrs, attrs), options)
  }

  /**
   * Emits a node of a model. Without a rule, `types` must tell the outputs (from a probing run), and the values that subgraphs capture
   * follow the inputs, in the order of `capturesOf`.
   */
  emitNode(
    node: Node,
    inputs: readonly (Tensor | undefined)[],
    types?: readonly (TensorType | undefined)[],
    reason?: string,
  ): Tensor[] {
    const rule = this.rules.find(node.op, node.domain, this.opset)
    const options = { domain: node.domain, outputs: node.outputs.length, names: node.outputs, nodeName: node.name }
    const probed = types !== undefined && node.outputs.every((name, i) => name === '' || types[i])
    if (rule && !(rule.dataDependent && probed)) return this.#call(rule, node.op, node.domain, inputs, node.attrs, options)
    if (rule)
      try {
        return this.#call(rule, node.op, node.domain, inputs, node.attrs, options)
      } catch (error) {
        if (!(error instanceof ModelError)) throw error
        reason ??= rule.dataDependent
      }
    const known = node.outputs.map((name, i) => {
      const type = types?.[i]
      if (!type)
        throw new UnsupportedError(
          `operator ${node.domain ? `${node.domain}.` : ''}${node.op} has no rule, so the shape of '${name}' is unknown`,
          {
            where: showNode(node),
            hint: `a rule for it would go to engine/ops/rules; see docs/adding.md`,
          },
        )
      return type
    })
    return this.#append(undefined, node, {}, inputs, known, node.outputs, reason)
  }

  #call(
    rule: OpRule,
    op: string,
    domain: string,
    inputs: readonly (Tensor | undefined)[],
    attrs: Map<string, Attribute>,
    options: EmitOptions,
  ): Tensor[] {
    const count = options.outputs ?? 1
    const where = `node ${showNode({ name: options.nodeName ?? options.names?.[0] ?? '', op, domain, outputs: [] })}`
    const a = parseAttrs(rule.attrs, attrs, where)
    const x = inputs as unknown as Slots<Tensor>
    const fail = (message: string): never => {
      throw new ModelError(message, { where, hint: `inputs are ${inputs.map((t) => t?.toString() ?? 'absent').join(', ')}` })
    }
    const value = (i: number) => {
      const data = inputs[i]?.value
      return data && data.dtype !== 'string' ? Array.from(data.numbers()) : undefined
    }
    const types = rule.infer({
      x,
      a,
      outputs: count,
      opset: this.opset,
      opt: (i) => inputs[i],
      value,
      known: (i, what) => value(i) ?? fail(`${what} (input ${i}) must be a constant to build a training graph`),
      fail,
    })
    const folded = this.#fold(rule, inputs, a, types)
    if (folded) return folded
    const simpler = rule.simplify?.({ x, a, y: types, b: this })
    if (simpler) return [simpler]
    const merge = !rule.random
    const key = merge ? `${domain}:${op}:${count}:${inputs.map((t) => t?.id ?? '').join()}:${attrKey(attrs)}` : ''
    const known = merge ? this.#merged.get(key) : undefined
    if (known) return [...known]
    const node: Node = { op, domain, name: options.nodeName ?? '', inputs: [], outputs: [], attrs, doc: '', overload: '' }
    const outputs = this.#append(rule, node, a, inputs, types.slice(0, count), options.names ?? [])
    if (merge) this.#merged.set(key, outputs)
    return outputs
  }

  #fold(
    rule: OpRule,
    inputs: readonly (Tensor | undefined)[],
    a: Record<string, AttrValue>,
    types: readonly TensorType[],
  ): Tensor[] | undefined {
    if (!rule.fold || types.some((t) => t.shape.reduce((n, d) => n * d, 1) > FOLD_LIMIT)) return undefined
    const x = inputs.map((t) => (t?.value && t.value.size <= FOLD_LIMIT ? t.value : undefined))
    const values = rule.fold({ x, types: inputs, y: types, a })
    if (!values || values.length < types.length || values.some((v) => v === undefined)) return undefined
    return (values as TensorData[]).map((v) => this.constant(v))
  }

  #append(
    rule: OpRule | undefined,
    like: Node,
    a: Record<string, AttrValue>,
    inputs: readonly (Tensor | undefined)[],
    types: readonly TensorType[],
    names: readonly string[],
    reason?: string,
  ): Tensor[] {
    const index = this.steps.length
    const outputs = types.map((type, i) =>
      this.#tensor(names[i] === '' ? '' : this.unique(names[i] ?? like.op), type, undefined, index, i),
    )
    const nested = !rule && subgraphs(like).length > 0
    const given = nested ? inputs.slice(0, like.inputs.length) : inputs
    const captured = inputs.slice(given.length)
    const node: Node = {
      ...(nested ? this.#rename(like, captured) : like),
      name: free(this.#nodeNames, this.#counters, like.name || outputs[0]?.name || like.op),
      inputs: given.map((t) => t?.name ?? ''),
      outputs: outputs.map((t) => t.name),
    }
    // Two captured names may be one value here: it is listed once, as `capturesOf` would find it.
    this.steps.push({ index, rule, node, a, inputs: [...given, ...new Set(captured)], outputs, reason })
    return outputs
  }

  #rename(like: Node, captured: readonly (Tensor | undefined)[]): Node {
    const outer = new Map(capturesOf(like).map((name, i) => [name, captured[i]!.name]))
    return renameCaptures(like, outer, (name) => this.unique(name))
  }

  #tensor(name: string, type: TensorType, value?: TensorData, step = -1, output = 0): Tensor {
    return new Tensor(this, this.#nextId++, name, type.dtype, type.shape, { value, step, output })
  }

  /** The name itself where it is free, otherwise with a number. */
  unique(name: string): string {
    return free(this.#names, this.#counters, name)
  }

  /** Steps that the given tensors depend on, in order. The walk does not go past `leaves`. */
  reachable(outputs: Iterable<Tensor>, leaves?: ReadonlySet<Tensor>): Step[] {
    const wanted = new Set<number>()
    const stack = [...outputs]
    while (stack.length) {
      const t = stack.pop()!
      if (t.step < 0 || wanted.has(t.step) || leaves?.has(t)) continue
      wanted.add(t.step)
      for (const x of this.steps[t.step]!.inputs) if (x) stack.push(x)
    }
    return [...wanted].sort((p, q) => p - q).map((i) => this.steps[i]!)
  }

  /**
   * The graph that computes `outputs` (name to tensor) and nothing else. All declared inputs stay, used or not.
   * `dims` overrides the written shape of inputs and outputs, e.g. to name the batch dimension.
   */
  build(
    outputs: Record<string, Tensor>,
    options: { name?: string; dims?: (name: string, shape: readonly number[]) => Shape } = {},
  ): Graph {
    const graph = makeGraph(options.name ?? 'main')
    const dims = options.dims ?? ((_: string, shape: readonly number[]) => shape)
    const steps = this.reachable(Object.values(outputs))
    const used = new Set<Tensor>()
    for (const step of steps) {
      if (step.node.domain === PRIVATE)
        throw new BugError(`private operator ${step.node.op} reached the written graph`, {
          hint: 'run the lowering pass before build',
        })
      for (const x of step.inputs) if (x) used.add(x)
      graph.nodes.push(step.node)
      for (const y of step.outputs) if (y.name) graph.values.set(y.name, { name: y.name, type: tensorType(y.dtype, y.shape) })
    }
    const declared = new Set<Tensor>(this.inputs)
    graph.inputs = this.inputs.map((t) => ({ name: t.name, type: tensorType(t.dtype, dims(t.name, t.shape)) }))
    for (const [name, t] of Object.entries(outputs)) {
      graph.outputs.push({ name, type: tensorType(t.dtype, dims(name, t.shape)) })
      graph.values.delete(name)
      if (t.name !== name) {
        // An output keeps its promised name; the value behind it may serve several outputs.
        if (this.#names.has(name)) throw new BugError(`output name '${name}' is already the name of another value`)
        graph.nodes.push({
          op: 'Identity',
          domain: '',
          name: `${name}_out`,
          inputs: [t.name],
          outputs: [name],
          attrs: new Map(),
          doc: '',
          overload: '',
        })
        used.add(t)
      } else if (t.step < 0) used.add(t)
    }
    for (const t of used) if (t.value && !declared.has(t)) graph.initializers.set(t.name, t.value)
    return graph
  }

  /** `build`, as a model at this builder's opset. */
  model(outputs: Record<string, Tensor>, options: Parameters<Builder['build']>[1] & Partial<Model> = {}): Model {
    const { dims, ...rest } = options
    const graph = this.build(outputs, { ...(options.name ? { name: options.name } : {}), ...(dims ? { dims } : {}) })
    const opsets = new Map([['', this.opset]])
    for (const node of graph.nodes) if (node.domain && !opsets.has(node.domain)) opsets.set(node.domain, 1)
    const { name: _name, ...more } = rest as Partial<Model> & { name?: string }
    return makeModel(graph, this.opset, { opsets, ...more })
  }

  /** Checks that a tensor belongs here; mixing builders is a programming fault. */
  own(t: Tensor): Tensor {
    if (t.b !== this) throw new BugError(`tensor '${t.name}' ${showShape(t.shape)} belongs to another builder`)
    return t
  }
}

/** A name that is not taken yet, and now is. */
function free(taken: Set<string>, counters: Map<string, number>, name: string): string {
  let found = name
  for (let n = counters.get(name) ?? 1; taken.has(found); n++) {
    found = `${name}_${n}`
    counters.set(name, n + 1)
  }
  taken.add(found)
  return found
}

function attrKey(attrs: ReadonlyMap<string, Attribute>): string {
  if (attrs.size === 0) return ''
  return [...attrs.entries()]
    .sort(([p], [q]) => (p < q ? -1 : 1))
    .map(([name, a]) => {
      if (a.type === 'tensor') return `${name}=${a.value.dtype}${a.value.dims.join()}:${Array.from(a.value.bytes).join()}`
      if (a.type === 'graph' || a.type === 'graphs' || a.type === 'other' || a.type === 'tensors') return `${name}=${Math.random()}`
      return `${name}=${String(a.value)}`
    })
    .join(';')
}
