import { ModelError } from '../errors.ts'
import { showNode, subgraphs, type FunctionDef, type Graph, type Model, type Node, type ValueInfo } from './graph.ts'
import { findCycle, readsOf, showCycle } from './order.ts'
import { showShape, sizeOf } from './shape.ts'

/** Something that breaks a rule of ONNX. Errors are refused by ONNX Runtime 1.30 too; warnings it lets pass. */
export interface Problem {
  severity: 'error' | 'warning'
  rule: Rule
  /** Graph, function, node or tensor at fault. */
  where: string
  message: string
}

export type Rule =
  | 'ir-version'
  | 'opset'
  | 'duplicate-name'
  | 'shadowed-name'
  | 'undefined-value'
  | 'cycle'
  | 'order'
  | 'missing-type'
  | 'type-mismatch'
  | 'dims'
  | 'tensor-data'
  | 'node'
  | 'attribute'
  | 'function-recursion'

/** The newest versions that ONNX Runtime 1.30 reads. */
const NEWEST_IR = 13
const NEWEST_OPSET = 26

/** Domains that ONNX Runtime knows without an import. */
const KNOWN_DOMAINS = /^(|ai\.onnx\.ml|ai\.onnx\.training|ai\.onnx\.preview\.training|com\.microsoft(\..*)?|com\.ms\..*)$/

/** Names that a graph sees of the graphs around it, innermost last. */
type Scope = readonly ReadonlySet<string>[]

/**
 * Checks a model against the rules of the format, weights untouched (external data files are looked up, not read).
 * Never throws for a bad model. Rules of single operators are not looked at.
 */
export function verify(model: Model): Problem[] {
  const checker = new Checker(model)
  checker.model()
  return checker.problems
}

/** Throws the first error of `verify` as a ModelError, with the number of the others. `file` names the model in it. */
export function assertValid(model: Model, file?: string): void {
  const errors = verify(model).filter((p) => p.severity === 'error')
  const first = errors[0]
  if (!first) return
  const others = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  throw new ModelError(`${first.where}: ${first.message}${others}`, file === undefined ? {} : { where: file })
}

class Checker {
  readonly problems: Problem[] = []
  readonly #model: Model
  readonly #functions = new Map<string, FunctionDef>()

  constructor(model: Model) {
    this.#model = model
  }

  #add(severity: Problem['severity'], rule: Rule, where: string, message: string): void {
    this.problems.push({ severity, rule, where, message })
  }

  model(): void {
    const { irVersion, opsets, functions, graph } = this.#model
    if (irVersion < 1) this.#add('error', 'ir-version', 'model', `IR version ${irVersion}, expected 1 or more`)
    else if (irVersion > NEWEST_IR)
      this.#add('warning', 'ir-version', 'model', `IR version ${irVersion} is newer than ONNX Runtime reads (${NEWEST_IR})`)
    if (opsets.size === 0) this.#add('error', 'opset', 'model', 'imports no opset')
    for (const [domain, version] of opsets) {
      const name = domain || 'ai.onnx'
      if (version < 1) this.#add('error', 'opset', 'model', `opset ${version} of ${name}, expected 1 or more`)
      else if (domain === '' && version > NEWEST_OPSET)
        this.#add('warning', 'opset', 'model', `opset ${version} of ${name} is newer than ONNX Runtime reads (${NEWEST_OPSET})`)
    }
    for (const def of functions) {
      const key = keyOf(def)
      if (this.#functions.has(key)) this.#add('warning', 'duplicate-name', showFunction(def), 'defined twice; the first counts')
      else this.#functions.set(key, def)
    }
    this.#recursion()
    for (const def of functions) this.#function(def)
    this.#graph(graph, [], `graph '${graph.name}'`, opsets, false)
  }

  #graph(graph: Graph, scope: Scope, where: string, opsets: Map<string, number>, inner: boolean): void {
    const names = new Set<string>()
    const inputs = new Map<string, ValueInfo>()
    for (const value of graph.inputs) {
      if (value.name === '') this.#add('error', 'duplicate-name', where, 'an input has no name')
      else if (inputs.has(value.name)) this.#add('error', 'duplicate-name', where, `two inputs are named '${value.name}'`)
      if (!value.type && !inner && !graph.initializers.has(value.name))
        this.#add('error', 'missing-type', where, `input '${value.name}' has no type`)
      inputs.set(value.name, value)
      names.add(value.name)
    }
    for (const [name, tensor] of graph.initializers) {
      const problem = tensor.problem()
      if (problem !== undefined) this.#add('error', 'tensor-data', `initializer '${name}'`, problem)
      const type = inputs.get(name)?.type
      if (type?.kind === 'tensor') {
        const fits =
          !type.shape ||
          (type.shape.length === tensor.dims.length && type.shape.every((d, i) => typeof d === 'string' || d === tensor.dims[i]))
        if (type.dtype !== tensor.dtype || !fits)
          this.#add(
            'error',
            'type-mismatch',
            `initializer '${name}'`,
            `${tensor.dtype}${showShape(tensor.dims)}, but the graph declares it ${type.dtype}${showShape(type.shape)}`,
          )
      }
      names.add(name)
    }
    for (const value of [...graph.inputs, ...graph.outputs, ...graph.values.values()]) this.#dims(value, where)
    this.#nodes(graph.nodes, names, scope, where, opsets, inner ? 'error' : 'warning')
    const seen = new Set<string>()
    for (const { name } of graph.outputs) {
      if (!names.has(name)) {
        const outer = scope.some((s) => s.has(name))
        const why = outer ? 'is a value of the graph around it; it must go through a node here' : 'is made by no node'
        this.#add('error', 'undefined-value', where, `output '${name}' ${why}`)
      }
      if (seen.has(name)) this.#add('warning', 'duplicate-name', where, `output '${name}' is listed twice`)
      seen.add(name)
    }
  }

  /** `names` holds what the nodes start from, and everything they make when this returns. */
  #nodes(
    nodes: readonly Node[],
    names: Set<string>,
    scope: Scope,
    where: string,
    opsets: Map<string, number>,
    unsorted: Problem['severity'],
  ): void {
    const made = new Set(nodes.flatMap((node) => node.outputs))
    const nodeNames = new Set<string>()
    const cycle = findCycle(nodes)
    if (cycle) this.#add('error', 'cycle', where, `a cycle: ${showCycle(cycle)}`)
    for (const node of nodes) {
      const at = `node ${showNode(node)}`
      if (node.op === '') this.#add('error', 'node', at, 'has no operator')
      if (node.name && nodeNames.has(node.name)) this.#add('error', 'duplicate-name', at, `two nodes of ${where} have this name`)
      nodeNames.add(node.name)
      this.#opset(node, opsets, at)
      for (const value of node.inputs) {
        if (value === '' || names.has(value) || scope.some((s) => s.has(value))) continue
        if (!made.has(value))
          this.#add('error', 'undefined-value', at, `input '${value}' is no input, initializer or output of a node`)
        else if (!cycle) this.#add(unsorted, 'order', at, `comes before the node that makes its input '${value}'`)
      }
      this.#attributes(node, at)
      for (const [index, graph] of subgraphs(node).entries()) {
        const outer = [...scope, names, laterToo(node, graph, names, made)]
        this.#graph(graph, outer, `${at}: subgraph ${graph.name ? `'${graph.name}'` : index}`, opsets, true)
      }
      for (const value of node.outputs) {
        if (value === '') continue
        if (names.has(value)) this.#add('error', 'duplicate-name', at, `output '${value}' is already the name of another value`)
        else if (scope.some((s) => s.has(value)))
          this.#add('error', 'shadowed-name', at, `output '${value}' is already the name of a value around the subgraph`)
        names.add(value)
      }
    }
  }

  #opset(node: Node, opsets: Map<string, number>, at: string): void {
    if (opsets.has(node.domain) || node.op === '') return
    const severity = KNOWN_DOMAINS.test(node.domain) && opsets.size > 0 ? 'warning' : 'error'
    this.#add(severity, 'opset', at, `no opset of domain '${node.domain || 'ai.onnx'}' is imported`)
  }

  #attributes(node: Node, at: string): void {
    for (const [name, attribute] of node.attrs) {
      if (name === '') this.#add('error', 'attribute', at, 'an attribute has no name')
      const tensors = attribute.type === 'tensor' ? [attribute.value] : attribute.type === 'tensors' ? attribute.value : []
      for (const tensor of tensors) {
        const problem = tensor.problem()
        if (problem !== undefined) this.#add('error', 'tensor-data', at, `attribute '${name}' ${problem}`)
      }
      const bad =
        (attribute.type === 'int' && typeof attribute.value === 'number' && !Number.isSafeInteger(attribute.value)) ||
        (attribute.type === 'ints' && attribute.value.some((v) => typeof v === 'number' && !Number.isSafeInteger(v)))
      if (bad) this.#add('error', 'attribute', at, `attribute '${name}' is an integer, found a fraction or more than 2^53`)
    }
  }

  #dims(value: ValueInfo, where: string): void {
    const shape = value.type && (value.type.kind === 'tensor' || value.type.kind === 'sparse') ? value.type.shape : undefined
    const sizes = shape?.filter((d) => typeof d === 'number') ?? []
    if (sizes.some((d) => d < 0 || !Number.isInteger(d)))
      this.#add('error', 'dims', where, `'${value.name}' has a dimension that cannot be: ${showShape(shape)}`)
    else if (!Number.isSafeInteger(sizeOf(sizes)))
      this.#add('warning', 'dims', where, `'${value.name}' has dimensions that overflow: ${showShape(shape)}`)
  }

  #function(def: FunctionDef): void {
    const where = showFunction(def)
    const names = new Set(def.inputs)
    if (names.size < def.inputs.length) this.#add('error', 'duplicate-name', where, 'two inputs have the same name')
    this.#nodes(def.nodes, names, [], where, def.opsets, 'error')
    for (const name of def.outputs)
      if (!names.has(name)) this.#add('error', 'undefined-value', where, `output '${name}' is made by no node`)
  }

  /** Functions are expanded where they are called, so none may reach itself. */
  #recursion(): void {
    const done = new Set<FunctionDef>()
    const open: FunctionDef[] = []
    const visit = (def: FunctionDef): void => {
      if (done.has(def)) return
      const from = open.indexOf(def)
      if (from >= 0) {
        const names = [...open.slice(from), def].map((f) => `'${f.name}'`).join(' -> ')
        this.#add('error', 'function-recursion', showFunction(def), `calls itself: ${names}`)
        return
      }
      // As deep as a chain of calls may go; deeper ones would not be expanded either.
      if (open.length >= 256) {
        this.#add('error', 'function-recursion', showFunction(def), 'functions call each other more than 256 deep')
        done.add(def)
        return
      }
      open.push(def)
      for (const node of allNodes(def.nodes)) {
        const callee = this.#functions.get(keyOf({ domain: node.domain, name: node.op, overload: node.overload }))
        if (callee) visit(callee)
      }
      open.pop()
      done.add(def)
    }
    for (const def of this.#functions.values()) visit(def)
  }
}

/** Values made after the node that its subgraphs capture: ONNX Runtime sorts the nodes itself and lets that pass. */
function laterToo(node: Node, graph: Graph, names: Set<string>, made: Set<string>): ReadonlySet<string> {
  const own = new Set(graph.nodes.flatMap((n) => n.outputs))
  return new Set(readsOf(node).filter((value) => made.has(value) && !names.has(value) && !own.has(value)))
}

const keyOf = (def: Pick<FunctionDef, 'domain' | 'name' | 'overload'>): string =>
  JSON.stringify([def.domain, def.name, def.overload])

const showFunction = (def: FunctionDef): string => `function '${def.name}'`

function* allNodes(nodes: readonly Node[]): Generator<Node> {
  for (const node of nodes) {
    yield node
    for (const graph of subgraphs(node)) yield* allNodes(graph.nodes)
  }
}
