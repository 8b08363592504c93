import {
  cloneModel,
  makeNode,
  subgraphs,
  type FunctionDef,
  type Graph,
  type Model,
  type Node,
  type TensorData,
} from '../ir/index.ts'
import { axesRules } from './upgrade/axes.ts'
import { broadcastRules } from './upgrade/broadcast.ts'
import { Context, type Place, type Rule, type Rules } from './upgrade/context.ts'
import { elementwiseRules } from './upgrade/elementwise.ts'
import { factsOf, type Facts } from './upgrade/facts.ts'
import { isKernelGap, kernelRules } from './upgrade/kernels.ts'
import { changedAfter } from './upgrade/later.ts'
import { normalizationRules } from './upgrade/normalization.ts'
import { resizeRules } from './upgrade/resize.ts'
import { scanRules } from './upgrade/scan.ts'
import { softmaxRules } from './upgrade/softmax.ts'
import { namesOf } from './names.ts'

/** The opset that the compiler works in: models are brought up to it, and what it emits is of it. */
export const WORKING_OPSET = 23

const FAMILIES: readonly Rules[] = [
  axesRules,
  broadcastRules,
  elementwiseRules,
  kernelRules,
  normalizationRules,
  resizeRules,
  scanRules,
  softmaxRules,
]

export interface NotUpgraded {
  node: Node
  op: string
  /** The opset that the model has. */
  from: number
  reason: string
}

/** The opset before ONNX Runtime's kernels have gaps. Everything that later ones changed up to the working one is which types are taken. */
const BEFORE_GAPS = 21

/**
 * Brings the default-domain opset of a model, functions included, up to `target`; the model given is not changed. Where a
 * node cannot follow, or the model is above the target, the model comes back as it was, with the nodes and reasons. Where only kernels are
 * missing, it comes to opset 21, which means the same and runs.
 */
export function upgradeOpset(model: Model, target: number = WORKING_OPSET): { model: Model; notUpgraded: NotUpgraded[] } {
  const from = model.opsets.get('')
  if (from === undefined || from === target) {
    if (model.functions.every((f) => (f.opsets.get('') ?? target) >= target)) return { model, notUpgraded: [] }
  }
  if (from !== undefined && from > target) return { model, notUpgraded: tooNew(model, from, target) }
  const copy = cloneModel(model)
  const upgrade = new Upgrade(copy, target)
  upgrade.run()
  if (upgrade.notUpgraded.length > 0) {
    const gap = from !== undefined && from <= BEFORE_GAPS && target > BEFORE_GAPS
    return gap && upgrade.notUpgraded.every(({ reason }) => isKernelGap(reason))
      ? upgradeOpset(model, BEFORE_GAPS)
      : { model, notUpgraded: upgrade.notUpgraded }
  }
  return { model: copy, notUpgraded: [] }
}

function tooNew(model: Model, from: number, target: number): NotUpgraded[] {
  const out: NotUpgraded[] = []
  const visit = (nodes: readonly Node[]): void => {
    for (const node of nodes) {
      const since = node.domain === '' ? changedAfter(node.op, target, from) : undefined
      if (since !== undefined) out.push({ node, op: node.op, from, reason: `its definition is of opset ${since}` })
      for (const graph of subgraphs(node)) visit(graph.nodes)
    }
  }
  visit(model.graph.nodes)
  for (const def of model.functions) visit(def.nodes)
  return out
}

class Upgrade {
  readonly notUpgraded: NotUpgraded[] = []
  readonly #model: Model
  readonly #target: number
  readonly #names: ReturnType<typeof namesOf>

  constructor(model: Model, target: number) {
    this.#model = model
    this.#target = target
    this.#names = namesOf(model)
  }

  run(): void {
    const model = this.#model
    const from = model.opsets.get('')
    if (model.irVersion < 4) dropConstantInputs(model.graph)
    if (from !== undefined) {
      this.#graph(model.graph, from, new Map(), [])
      model.opsets.set('', this.#target)
    }
    for (const def of model.functions) this.#function(def)
    // New constants are no inputs, which IR version 4 allowed; newer operators ask for newer versions.
    model.irVersion = Math.max(model.irVersion, this.#target >= 22 ? 11 : this.#target >= 21 ? 10 : 8)
  }

  #graph(graph: Graph, from: number, outerFacts: Facts, outer: readonly Graph[]): void {
    const facts = factsOf(graph, outerFacts)
    const scope = [graph, ...outer]
    const place: Place = {
      fresh: this.#names.fresh,
      constantOf: (value) => constantIn(scope, value),
      add: (name, tensor) => {
        graph.initializers.set(name, tensor)
        return []
      },
    }
    graph.nodes = this.#nodes(graph.nodes, from, facts, place, (sub) => this.#graph(sub, from, facts, scope))
  }

  #function(def: FunctionDef): void {
    const from = def.opsets.get('')
    if (from === undefined || from >= this.#target) return
    const scope: Pick<Graph, 'initializers' | 'inputs' | 'nodes'> = { initializers: new Map(), inputs: [], nodes: def.nodes }
    const place: Place = {
      fresh: this.#names.fresh,
      constantOf: (value) => constantIn([scope], value),
      add: (name, tensor) => [makeNode('Constant', [], [name], { value: { type: 'tensor', value: tensor } })],
    }
    const facts: Facts = new Map()
    def.nodes = this.#nodes(def.nodes, from, facts, place, (sub) => this.#graph(sub, from, facts, []))
    def.opsets.set('', this.#target)
  }

  #nodes(nodes: readonly Node[], from: number, facts: Facts, place: Place, inner: (graph: Graph) => void): Node[] {
    for (const node of nodes) subgraphs(node).forEach(inner)
    let current = [...nodes]
    if (from < 6) for (const node of current) if (node.domain === '') node.attrs.delete('consumed_inputs')
    for (let version = from + 1; version <= this.#target; version++)
      for (const family of FAMILIES) {
        const rules = family[version]
        if (rules) current = current.flatMap((node) => this.#rewrite(node, rules, from, facts, place))
      }
    return current
  }

  #rewrite(node: Node, rules: Record<string, Rule>, from: number, facts: Facts, place: Place): Node[] {
    const rule = node.domain === '' ? rules[node.op] : undefined
    if (!rule) return [node]
    const context = new Context(place, facts, node)
    const result = rule(node, context)
    if (typeof result === 'string') {
      this.notUpgraded.push({ node, op: node.op, from, reason: result })
      return [node]
    }
    return [...context.before, ...(result ?? [node])]
  }
}

/** Before IR version 4 initializers were also inputs, and constants all the same; later they would be replaceable. */
function dropConstantInputs(graph: Graph): void {
  graph.inputs = graph.inputs.filter((value) => !graph.initializers.has(value.name))
}

/** A value that the file fixes: an initializer that is no input, or a Constant node's tensor. */
function constantIn(scope: readonly Pick<Graph, 'initializers' | 'inputs' | 'nodes'>[], value: string): TensorData | undefined {
  for (const graph of scope) {
    if (graph.inputs.some((v) => v.name === value)) return undefined
    const tensor = graph.initializers.get(value)
    if (tensor) return tensor
    const maker = graph.nodes.find((node) => node.outputs.includes(value))
    if (!maker) continue
    const attribute = maker.op === 'Constant' && maker.domain === '' ? maker.attrs.get('value') : undefined
    return attribute?.type === 'tensor' ? attribute.value : undefined
  }
  return undefined
}
