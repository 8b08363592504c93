import workerUrl from './layout.worker.ts?worker&url'
import type { LayoutChunk, LayoutRequest } from './messages.ts'
import type { Scene } from './scene.ts'

let requests = 0

/** The content security policy takes scripts from a named policy alone; this one knows the layouter and nothing else. */
function layoutWorker(): Worker {
  type Factory = {
    createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string }
  }
  const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes
  policy ??= factory?.createPolicy('stillroom-worker', { createScriptURL: () => workerUrl })
  return new Worker(policy?.createScriptURL(workerUrl) ?? workerUrl, { type: 'module' })
}
let policy: { createScriptURL(url: string): string } | undefined

/** The layouter in its worker. One question at a time: a new one replaces the one before. */
export function makeLayouter(onplaced: (scene: Scene, done: boolean) => void) {
  const worker = layoutWorker()
  let current: { id: number; scene: Scene } | undefined

  worker.onmessage = ({ data }: MessageEvent<LayoutChunk>) => {
    if (!current || data.id !== current.id) return
    const { scene } = current
    for (let i = data.start; i < data.end; i++) {
      const box = scene.boxes[i]!
      box.x = data.places[2 * (i - data.start)]!
      box.y = data.places[2 * (i - data.start) + 1]!
      scene.height = Math.max(scene.height, box.y + box.height / 2)
      scene.width = Math.max(scene.width, 2 * (Math.abs(box.x) + box.width / 2))
    }
    for (const { edge, points } of data.bends) scene.edges[edge]!.points = points
    // Edges between stretches go straight; both ends have their places once the later stretch is there.
    for (const edge of scene.edges) {
      if (edge.points.length > 0 || edge.to >= data.end || edge.from >= data.end) continue
      const [from, to] = [scene.boxes[edge.from]!, scene.boxes[edge.to]!]
      edge.points = Float32Array.of(from.x, from.y + from.height / 2, to.x, to.y - to.height / 2)
    }
    onplaced(scene, data.done)
  }

  return {
    ask(scene: Scene): void {
      current = { id: ++requests, scene }
      const message: LayoutRequest = {
        id: current.id,
        sizes: Float32Array.from(scene.boxes.flatMap((box) => [box.width, box.height])),
        edges: Int32Array.from(scene.edges.flatMap((edge) => [edge.from, edge.to])),
      }
      worker.postMessage(message)
    },
    close: (): void => worker.terminate(),
  }
}
