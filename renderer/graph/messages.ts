/** What the page asks of the layout worker, and what comes back, chunk by chunk from the top. */
export interface LayoutRequest {
  id: number
  sizes: Float32Array
  /** From and to of each edge, in turn. */
  edges: Int32Array
}

export interface LayoutChunk {
  id: number
  /** Boxes [start, end) have places now: centre x and y in turn, relative to a common vertical axis. */
  start: number
  end: number
  places: Float32Array
  /** Bends of edges inside the chunk, by edge number. */
  bends: { edge: number; points: Float32Array }[]
  done: boolean
}
