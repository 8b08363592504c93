import { ModelError, UnsupportedError } from '../errors.ts'
import {
  cloneModel,
  makeNode,
  subgraphs,
  type Attribute,
  type FunctionDef,
  type Graph,
  type Model,
  type Node,
} from '../ir/index.ts'
import { namesOf } from './names.ts'

/** Functions that call functions multiply; beyond this the model is a bomb, not a network. */
const MAX_NODES = 1_000_000
/** Calls within calls; `verify` allows no more either. */
const MAX_CALLS = 256

/**
 * A model without functions: each call is replaced by the function's nodes, attribute references bound to the call's
 * attributes or the defaults, names made unique. The model given is not changed.
 * Errors: ModelError for functions that call themselves or expand beyond a million nodes; UnsupportedError for a function of
 * another opset than the model (upgrade it first).
 */
export function inlineFunctions(model: Model): Model {
  if (model.functions.length === 0) return model
  const copy = cloneModel(model)
  new Inliner(copy).run()
  return copy
}

class Inliner {
  readonly #model: Model
  readonly #functions = new Map<string, FunctionDef>()
  readonly #fresh: (base: string) => string
  readonly #sizes = new Map<FunctionDef, number>()

  constructor(model: Model) {
    this.#model = model
    this.#fresh = namesOf(model).fresh
    for (const def of model.functions) {
      const key = keyOf(def.domain, def.name, def.overload)
      if (!this.#functions.has(key)) this.#functions.set(key, def)
    }
  }

  run(): void {
    const { graph } = this.#model
    // Counted first: a bomb must not be built to be found.
    if (this.#size(graph.nodes, []) > MAX_NODES) throw new ModelError(`functions expand to more than ${MAX_NODES} nodes`)
    graph.nodes = this.#expand(graph.nodes)
    this.#model.functions = []
  }

  /** Nodes of a list once every call in it is expanded. */
  #size(nodes: readonly Node[], open: readonly FunctionDef[]): number {
    let size = 0
    for (const node of nodes) {
      size += 1
      for (const graph of subgraphs(node)) size += this.#size(graph.nodes, open)
      const def = this.#callee(node)
      if (!def) continue
      if (open.includes(def) || open.length > MAX_CALLS)
        throw new ModelError('the function calls itself', { where: `function '${def.name}'` })
      const known = this.#sizes.get(def) ?? this.#size(def.nodes, [...open, def])
      this.#sizes.set(def, known)
      size += known
    }
    return size
  }

  #callee(node: Node): FunctionDef | undefined {
    return this.#functions.get(keyOf(node.domain, node.op, node.overload))
  }

  #expand(nodes: readonly Node[]): Node[] {
    return nodes.flatMap((node) => {
      for (const graph of subgraphs(node)) graph.nodes = this.#expand(graph.nodes)
      const def = this.#callee(node)
      if (!def) return [node]
      this.#mergeOpsets(def)
      return this.#expand(this.#body(node, def))
    })
  }

  #mergeOpsets(def: FunctionDef): void {
    for (const [domain, version] of def.opsets) {
      const ours = this.#model.opsets.get(domain)
      if (ours === undefined) this.#model.opsets.set(domain, version)
      else if (ours !== version && domain === '')
        throw new UnsupportedError(`it is of opset ${version}, the model of ${ours}`, {
          where: `function '${def.name}'`,
          hint: 'upgrade the model to one opset first',
        })
    }
  }

  /** The nodes of one call. */
  #body(call: Node, def: FunctionDef): Node[] {
    const prefix = call.name || call.outputs.find(Boolean) || call.op
    const names = new Map<string, string>()
    def.inputs.forEach((name, i) => names.set(name, call.inputs[i] ?? ''))
    const tail: Node[] = []
    const taken = new Set(def.inputs)
    def.outputs.forEach((name, i) => {
      const wanted = call.outputs[i] ?? ''
      if (wanted === '') return
      // An output that is an input, or listed twice, is a value of its own for the caller.
      if (taken.has(name)) tail.push(makeNode('Identity', [names.get(name) ?? ''], [wanted]))
      else names.set(name, wanted)
      taken.add(name)
    })
    const attribute = (name: string): Attribute | undefined => call.attrs.get(name) ?? def.defaults.get(name)
    return [...this.#rename(def.nodes, names, prefix, attribute), ...tail]
  }

  #rename(
    nodes: readonly Node[],
    names: Map<string, string>,
    prefix: string,
    attribute: (name: string) => Attribute | undefined,
  ): Node[] {
    const define = (name: string): string => {
      if (name === '') return ''
      const known = names.get(name)
      if (known !== undefined) return known
      const made = this.#fresh(`${prefix}_${name}`)
      names.set(name, made)
      return made
    }
    // Names first, since subgraphs may capture what is made later.
    for (const node of nodes) node.outputs.forEach(define)
    return nodes.map((node) => {
      const attrs = new Map<string, Attribute>()
      for (const [key, value] of node.attrs) {
        const bound = this.#bind(value, names, prefix, attribute)
        if (bound) attrs.set(key, bound)
      }
      return {
        ...node,
        name: this.#fresh(`${prefix}/${node.name || node.op}`),
        inputs: node.inputs.map((name) => names.get(name) ?? name),
        outputs: node.outputs.map(define),
        attrs,
      }
    })
  }

  /** The attribute as the call has it; undefined where neither the call nor a default gives it. */
  #bind(
    value: Attribute,
    names: Map<string, string>,
    prefix: string,
    attribute: (name: string) => Attribute | undefined,
  ): Attribute | undefined {
    const inner = (graph: Graph): Graph => this.#subgraph(graph, names, prefix, attribute)
    if (value.type === 'ref') return attribute(value.value)
    if (value.type === 'graph') return { type: 'graph', value: inner(value.value) }
    if (value.type === 'graphs') return { type: 'graphs', value: value.value.map(inner) }
    return value
  }

  #subgraph(graph: Graph, outer: Map<string, string>, prefix: string, attribute: (name: string) => Attribute | undefined): Graph {
    const names = new Map(outer)
    const own = (name: string): string => {
      const made = name === '' ? '' : this.#fresh(`${prefix}_${name}`)
      names.set(name, made)
      return made
    }
    const inputs = graph.inputs.map((v) => ({ ...v, name: own(v.name) }))
    const initializers = new Map(
      [...graph.initializers].map(([name, t]) => [inputsHave(graph, name) ? names.get(name)! : own(name), t]),
    )
    // What the subgraph makes hides names around it.
    for (const node of graph.nodes) for (const out of node.outputs) names.delete(out)
    const nodes = this.#rename(graph.nodes, names, prefix, attribute)
    const to = (name: string) => names.get(name) ?? name
    return {
      ...graph,
      inputs,
      initializers,
      nodes,
      outputs: graph.outputs.map((v) => ({ ...v, name: to(v.name) })),
      values: new Map([...graph.values].map(([name, v]) => [to(name), { ...v, name: to(name) }])),
    }
  }
}

const inputsHave = (graph: Graph, name: string): boolean => graph.inputs.some((v) => v.name === name)
const keyOf = (domain: string, name: string, overload: string): string => JSON.stringify([domain, name, overload])
