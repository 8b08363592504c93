import { Graph, layout } from '@dagrejs/dagre'
import type { LayoutChunk, LayoutRequest } from './messages.ts'

/**
 * Boxes that are laid out together. The layouter takes time that grows faster than the graph and recurses as deep as the graph is long,
 * so a long model is laid out in stretches, one below the other; boxes come in topological order, so no edge points upwards.
 */
const CHUNK = 220
const GAP = 34

let newest = 0

self.onmessage = async ({ data }: MessageEvent<LayoutRequest>) => {
  newest = data.id
  const count = data.sizes.length / 2
  let top = 0
  for (let start = 0; start < count; start += CHUNK) {
    const end = Math.min(count, start + CHUNK)
    const chunk = place(data, start, end, top)
    top = chunk.bottom + GAP
    self.postMessage({ ...chunk.message, done: end === count })
    // A newer question makes this one pointless; it can only arrive between chunks.
    await new Promise((resolve) => setTimeout(resolve))
    if (newest !== data.id) return
  }
}

function place(
  { id, sizes, edges }: LayoutRequest,
  start: number,
  end: number,
  top: number,
): { message: LayoutChunk; bottom: number } {
  const graph = new Graph()
  graph.setGraph({ nodesep: 26, ranksep: GAP, edgesep: 12, ranker: 'tight-tree' })
  graph.setDefaultEdgeLabel(() => ({}))
  for (let i = start; i < end; i++) graph.setNode(String(i), { width: sizes[2 * i]!, height: sizes[2 * i + 1]! })
  const inside: number[] = []
  for (let e = 0; e < edges.length / 2; e++) {
    const [from, to] = [edges[2 * e]!, edges[2 * e + 1]!]
    if (from < start || from >= end || to < start || to >= end) continue
    graph.setEdge(String(from), String(to))
    inside.push(e)
  }
  layout(graph)
  const middle = (graph.graph() as { width: number }).width / 2
  const places = new Float32Array((end - start) * 2)
  let bottom = top
  for (let i = start; i < end; i++) {
    const { x, y, height } = graph.node(String(i)) as { x: number; y: number; height: number }
    places.set([x - middle, y + top], (i - start) * 2)
    bottom = Math.max(bottom, y + top + height / 2)
  }
  const bends = inside.map((edge) => {
    const { points } = graph.edge(String(edges[2 * edge]), String(edges[2 * edge + 1])) as { points: { x: number; y: number }[] }
    return { edge, points: Float32Array.from(points.flatMap((p) => [p.x - middle, p.y + top])) }
  })
  return { message: { id, start, end, places, bends, done: false }, bottom }
}
