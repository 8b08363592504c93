import { subgraphs, usageOf, type Graph, type Node, type TensorData } from '../ir/index.ts'
import { constantsOf, namesOf, redirect } from './rewrite.ts'

/**
 * Producers, readers and outputs of a graph while a pass changes it. Keeping them up to date makes a pass take time in proportion to the
 * graph, where asking anew after each change takes its square. Nodes taken out stay in the list until `finish`.
 */
export class Links {
  readonly graph: Graph
  readonly #producer: Map<string, Node>
  readonly #readers: Map<string, Node[]>
  readonly #outputs: ReadonlySet<string>
  readonly #constant: ReturnType<typeof constantsOf>
  readonly #gone = new Set<Node>()
  #names: Set<string> | undefined

  constructor(graph: Graph) {
    const { producer, consumers } = usageOf(graph)
    this.graph = graph
    this.#producer = producer
    this.#readers = consumers
    this.#outputs = new Set(graph.outputs.map((v) => v.name))
    this.#constant = constantsOf(graph)
  }

  isOutput(name: string): boolean {
    return this.#outputs.has(name)
  }

  producer(name: string): Node | undefined {
    return this.#producer.get(name)
  }

  /** Nodes that read a value, those whose subgraphs do included. */
  readers(name: string): readonly Node[] {
    return this.#readers.get(name) ?? []
  }

  /** An initializer or the value of a Constant node. */
  constant(name: string | undefined): TensorData | undefined {
    return name ? (this.graph.initializers.get(name) ?? this.#constant(name)) : undefined
  }

  /** Every reader of `from` reads `to` instead, subgraphs included; the graph's outputs stay. */
  redirect(from: string, to: string): void {
    const readers = this.readers(from)
    for (const node of readers) {
      node.inputs = node.inputs.map((name) => (name === from ? to : name))
      for (const sub of subgraphs(node)) redirect(sub, from, to)
    }
    this.#readers.delete(from)
    const already = this.readers(to)
    this.#readers.set(to, [...already, ...readers.filter((node) => !already.includes(node))])
  }

  /** The node makes `to` instead of `from`. */
  rename(node: Node, from: string, to: string): void {
    node.outputs = node.outputs.map((name) => (name === from ? to : name))
    this.#producer.delete(from)
    this.#producer.set(to, node)
    this.graph.values.delete(from)
  }

  /** Takes a node out. What it made has no producer any more, unless another node has it by now. */
  drop(node: Node): void {
    this.#gone.add(node)
    for (const name of node.outputs) if (this.#producer.get(name) === node) this.#producer.delete(name)
    for (const name of new Set(node.inputs)) {
      const readers = this.#readers.get(name)
      if (readers) this.#readers.set(name, readers.filter((n) => n !== node)) // prettier-ignore
    }
  }

  /** A name that no value has yet; it is taken from then on. */
  fresh(wanted: string): string {
    const taken = (this.#names ??= namesOf(this.graph))
    let name = wanted
    for (let i = 2; taken.has(name); i++) name = `${wanted}_${i}`
    taken.add(name)
    return name
  }

  /** Takes the dropped nodes out of the graph's list. */
  finish(): void {
    if (this.#gone.size > 0) this.graph.nodes = this.graph.nodes.filter((node) => !this.#gone.has(node))
  }
}
