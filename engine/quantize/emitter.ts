import { makeNode, sortNodes, type Attribute, type Graph, type Node, type TensorData } from '../ir/index.ts'
import { namesOf } from '../passes/index.ts'

/** Adds nodes and constants to a graph, with names that nothing else has. `finish` puts the nodes in order. */
export class Emitter {
  readonly graph: Graph
  readonly #taken: Set<string>
  readonly #gone = new Set<Node>()

  constructor(graph: Graph) {
    this.graph = graph
    this.#taken = namesOf(graph)
  }

  /** A node with one output; gives the output's name. */
  add(op: string, inputs: string[], wanted: string, attrs: Record<string, Attribute> = {}, domain = ''): string {
    const out = this.fresh(wanted)
    this.graph.nodes.push(makeNode(op, inputs, [out], attrs, { domain, name: out }))
    return out
  }

  /** A node whose output has a name already. */
  put(op: string, inputs: string[], output: string, attrs: Record<string, Attribute> = {}, domain = ''): void {
    this.graph.nodes.push(makeNode(op, inputs, [output], attrs, { domain, name: this.fresh(`${output}/${op}`) }))
  }

  /** Takes a node out when all is written. */
  remove(node: Node): void {
    this.#gone.add(node)
  }

  constant(wanted: string, value: TensorData): string {
    const name = this.fresh(wanted)
    this.graph.initializers.set(name, value)
    return name
  }

  fresh(wanted: string): string {
    let name = wanted
    for (let i = 2; this.#taken.has(name); i++) name = `${wanted}_${i}`
    this.#taken.add(name)
    return name
  }

  finish(): void {
    this.graph.nodes = this.graph.nodes.filter((node) => !this.#gone.has(node))
    sortNodes(this.graph)
  }
}
