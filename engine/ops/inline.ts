import { ModelError, type StillroomError, UnsupportedError } from '../errors.ts'
import { showNode, subgraphs, type Graph, type Node, type TensorData } from '../ir/index.ts'
import type { Builder } from './builder.ts'
import { controlFlow } from './inlineControl.ts'
import { sequenceOps } from './inlineSequence.ts'
import { Optional, Scope, Sequence, type Value } from './inlineValues.ts'
import type { TensorType } from './rule.ts'
import { capturesOf } from './support/subgraph.ts'
import { Tensor } from './tensor.ts'

export interface InlineOptions {
  /** A tensor for an initializer: a trainable parameter's input, say. Undefined: the initializer becomes a constant. Also asked for subgraphs'. */
  initializer?: (name: string, data: TensorData) => Tensor | undefined
  /** What to emit for a node instead of the node itself (training-mode batch norm, dropout masks); undefined keeps it. */
  node?: (node: Node, inputs: readonly (Tensor | undefined)[]) => readonly Tensor[] | undefined
  /** Types of values by name, from a probing run, for operators without a rule. */
  types?: ReadonlyMap<string, TensorType>
}

/** A handler gets its node's inputs, undefined where one is left out. Errors: UnsupportedError with the reason why the node stays opaque. */
export type Handler = (
  node: Node,
  x: readonly (Value | undefined)[],
  scope: Scope,
  inliner: Inliner,
) => readonly (Value | undefined)[]

/**
 * Runs a graph (already at the builder's opset) symbolically inside `b`, on the given inputs. Control flow whose course is known is written
 * out: the branch of an `If` on a constant, the passes of a `Loop` or `Scan` of known length, sequences that only pack and unpack. Anything
 * else of that kind is opaque: where `types` tell its outputs the node is kept, without a gradient.
 * Returns every tensor of the graph by its name, so that features can be tapped.
 * Errors: UnsupportedError for nodes without rule and known types, with the reason; ModelError where shapes do not fit.
 */
export function inlineGraph(
  b: Builder,
  graph: Graph,
  inputs: ReadonlyMap<string, Value>,
  options: InlineOptions = {},
): Map<string, Tensor> {
  const out = new Map<string, Tensor>()
  for (const [name, value] of inlineValues(b, graph, inputs, options)) if (value instanceof Tensor) out.set(name, value)
  return out
}

/** As `inlineGraph`, with the sequences and optionals. */
export function inlineValues(
  b: Builder,
  graph: Graph,
  inputs: ReadonlyMap<string, Value>,
  options: InlineOptions = {},
): ReadonlyMap<string, Value> {
  const scope = new Scope()
  for (const [name, value] of inputs) scope.set(name, value)
  new Inliner(b, options).run(graph, scope)
  return scope.values
}

/** One run over a graph and the subgraphs inside it. */
export class Inliner {
  readonly b: Builder
  readonly #options: InlineOptions
  /** Values that are the same in every pass of a loop: initializers of subgraphs, and Constant nodes. */
  readonly #fixed = new Map<object, Map<string, Tensor>>()

  constructor(b: Builder, options: InlineOptions) {
    this.b = b
    this.#options = options
  }

  /** Adds every value of the graph to the scope, which holds its inputs. */
  run(graph: Graph, scope: Scope): void {
    for (const [name, data] of graph.initializers)
      if (!scope.values.has(name))
        scope.set(
          name,
          this.#once(graph, name, () => this.#initializer(name, data)),
        )
    for (const node of graph.nodes) {
      const y = this.#node(node, scope)
      node.outputs.forEach((name, i) => {
        const value = y[i]
        if (name && value) scope.set(name, value)
      })
    }
  }

  /** Runs a body in a scope of its own. Returns its outputs. */
  body(graph: Graph, inputs: readonly Value[], outer: Scope): Value[] {
    const scope = new Scope(outer)
    graph.inputs.forEach(({ name }, i) => {
      const value = inputs[i]
      if (value) scope.set(name, value)
    })
    this.run(graph, scope)
    return graph.outputs.map(({ name }) => scope.need(name))
  }

  #initializer(name: string, data: TensorData): Tensor {
    return this.#options.initializer?.(name, data) ?? this.b.constant(data, data.size > 64 ? name : undefined)
  }

  #once(owner: object, name: string, make: () => Tensor): Tensor {
    const known = this.#fixed.get(owner) ?? new Map<string, Tensor>()
    this.#fixed.set(owner, known)
    const value = known.get(name) ?? make()
    known.set(name, value)
    return value
  }

  #node(node: Node, scope: Scope): readonly (Value | undefined)[] {
    const x = node.inputs.map((name) => (name === '' ? undefined : scope.need(name)))
    const handler = node.domain === '' ? (controlFlow[node.op] ?? sequenceOps[node.op]) : undefined
    if (handler) return this.#resolved(node, x, scope, handler)
    if (node.op === 'Identity' && x[0] && !(x[0] instanceof Tensor)) return [x[0]]
    if (node.op === 'Constant' && node.domain === '') {
      const name = node.outputs[0] ?? ''
      return [this.#once(node, name, () => this.#plain(node, [])[0]!)]
    }
    if (subgraphs(node).length) return this.#opaque(node, x, scope, `the operator ${node.op} with its subgraph is not known`)
    return this.#plain(node, tensors(node, x))
  }

  #plain(node: Node, x: readonly (Tensor | undefined)[]): readonly Tensor[] {
    const types = node.outputs.map((name) => this.#options.types?.get(name))
    return this.#options.node?.(node, x) ?? this.b.emitNode(node, x, types)
  }

  #resolved(node: Node, x: readonly (Value | undefined)[], scope: Scope, handler: Handler): readonly (Value | undefined)[] {
    try {
      return handler(node, x, scope, this)
    } catch (error) {
      // What ONNX Runtime runs and this compiler cannot write out is no fault of the model.
      if (!(error instanceof ModelError || error instanceof UnsupportedError)) throw error
      return this.#opaque(node, x, scope, reasonOf(error, node), error)
    }
  }

  /** Keeps a node that could not be written out; only possible where all that it takes and gives are tensors. */
  #opaque(node: Node, x: readonly (Value | undefined)[], scope: Scope, reason: string, cause?: unknown): readonly Tensor[] {
    const captured = capturesOf(node).map((name) => scope.get(name))
    const types = node.outputs.map((name) => this.#options.types?.get(name))
    const plain = [...x.filter((v) => v !== undefined), ...captured].every((v) => v instanceof Tensor)
    if (!plain || node.outputs.some((name, i) => name !== '' && !types[i]))
      throw new UnsupportedError(`it cannot be compiled into a training graph: ${reason}`, {
        where: `node ${showNode(node)}`,
        hint: 'such a model can teach (it is run on its own), but not be trained',
        cause,
      })
    return this.b.emitNode(node, [...x, ...captured] as (Tensor | undefined)[], types, reason)
  }
}

/** Inputs of an ordinary operator. Errors: UnsupportedError where one is no tensor. */
function tensors(node: Node, x: readonly (Value | undefined)[]): (Tensor | undefined)[] {
  return x.map((v, i) => {
    if (v instanceof Sequence || v instanceof Optional)
      throw new UnsupportedError(`input '${node.inputs[i]}' is a ${v.kind}, which ${node.op} does not take`, {
        where: `node ${showNode(node)}`,
      })
    return v
  })
}

/** The message, with its place where that is inside the node's subgraph. */
function reasonOf(error: StillroomError, node: Node): string {
  const inside = error.where !== undefined && error.where !== `node ${showNode(node)}`
  return inside ? `${error.message} (${error.where})` : error.message
}
