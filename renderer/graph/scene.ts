import type { Block } from './blocks.ts'
import { kindOf, type Kind } from './kinds.ts'

/** A node of the model, as far as drawing goes. */
export interface ModelNode {
  name: string
  op: string
  inputs: readonly string[]
  outputs: readonly string[]
}

/** A box: one node, or a collapsed block of several. Sizes and places are in units of the unscaled drawing. */
export interface Box {
  /** Numbers of the nodes in it. */
  nodes: readonly number[]
  title: string
  subtitle: string
  kind: Kind
  /** Index into the blocks, when it is a collapsed one. */
  block: number | undefined
  width: number
  height: number
  x: number
  y: number
}

/** From box to box; `points` are the bends, x and y in turn. */
export interface Edge {
  from: number
  to: number
  points: Float32Array
}

export interface Scene {
  boxes: Box[]
  edges: Edge[]
  /** Box of each node. */
  boxOf: Int32Array
  width: number
  height: number
}

const CHARACTER = 7.2

/**
 * Boxes and edges without places: nodes in file order, blocks collapsed unless they are open. Constants are not drawn.
 * @param tint what to colour nodes by instead of their operator; a block takes the least kind, by name, of those in it
 */
export function buildScene(
  nodes: readonly ModelNode[],
  blocks: readonly Block[],
  open: ReadonlySet<number>,
  tint?: ReadonlyMap<number, Kind>,
): Scene {
  const boxes: Box[] = []
  const boxOf = new Int32Array(nodes.length)
  const blockAt = new Map(blocks.map((block, i) => [block.start, i]))
  for (let i = 0; i < nodes.length; i++) {
    const at = blockAt.get(i)
    const block = at === undefined || open.has(at) ? undefined : blocks[at]
    const end = block ? block.end : i + 1
    const inside = Array.from({ length: end - i }, (_, k) => i + k)
    for (const node of inside) boxOf[node] = boxes.length
    const title = block ? `Block ${block.nth} of ${block.of}` : nodes[i]!.op
    const subtitle = block ? `${end - i} nodes: ${nodes[i]!.op} …` : shorten(nodes[i]!.name)
    const tints = tint ? inside.flatMap((node) => tint.get(node) ?? []).sort() : []
    const kind = tint ? (tints[0] ?? 'other') : block ? 'block' : kindOf(nodes[i]!.op)
    const width = Math.max(96, Math.max(title.length * 7.6, subtitle.length * CHARACTER * 0.86) + 26)
    boxes.push({ nodes: inside, title, subtitle, kind, block: block ? at : undefined, width, height: 44, x: 0, y: 0 })
    i = end - 1
  }
  return { boxes, edges: edgesOf(nodes, boxOf), boxOf, width: 0, height: 0 }
}

/** The end of a name says more than its beginning. */
const shorten = (name: string): string => (name.length > 26 ? `…${name.slice(-25)}` : name)

function edgesOf(nodes: readonly ModelNode[], boxOf: Int32Array): Edge[] {
  const producer = new Map<string, number>()
  nodes.forEach((node, i) => node.outputs.forEach((value) => value && producer.set(value, i)))
  const seen = new Set<number>()
  const edges: Edge[] = []
  nodes.forEach((node, i) => {
    for (const value of node.inputs) {
      const source = producer.get(value)
      if (source === undefined) continue
      const [from, to] = [boxOf[source]!, boxOf[i]!]
      const key = from * boxOf.length + to
      if (from === to || seen.has(key)) continue
      seen.add(key)
      edges.push({ from, to, points: new Float32Array(0) })
    }
  })
  return edges
}
