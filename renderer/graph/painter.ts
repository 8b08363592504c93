import type { Scene } from './scene.ts'

/** What the window shows: the drawing's point (x, y) lies in its middle, `scale` pixels a unit. */
export interface Camera {
  x: number
  y: number
  scale: number
}

export interface Look {
  background: string
  surface: string
  line: string
  ink: string
  quiet: string
  accent: string
  accentSoft: string
  mark: string
  font: string
  /** Fill of a box by the kind of its operator, as `kindOf` names it. */
  kinds: Record<Kind, string>
}

export type Kind = 'product' | 'norm' | 'activation' | 'shape' | 'block' | 'other'

const KINDS: [Kind, RegExp][] = [
  ['product', /Conv|Gemm|MatMul|LSTM|GRU|RNN|Attention|Einsum/],
  ['norm', /Norm|LRN/],
  ['activation', /Relu|Sigmoid|Tanh|Softmax|Gelu|Erf|Clip|Elu|Silu|Swish/],
  ['shape', /Shape|Reshape|Transpose|Concat|Split|Slice|Gather|Squeeze|Unsqueeze|Flatten|Cast|Constant|Identity|Expand|Pad|Range/],
]

export const kindOf = (op: string): Kind => KINDS.find(([, pattern]) => pattern.test(op))?.[0] ?? 'other'

export interface Marks {
  selected: number | undefined
  /** Boxes that a search found. */
  found: ReadonlySet<number>
}

/** Below this scale a label would be smaller than can be read. */
const LABELS = 0.42

/**
 * Draws what is inside the window. Boxes and edges come from top to bottom, so the part that can be seen is found by bisection; boxes of
 * one colour are filled as one path. That is what keeps a frame of 10,000 nodes within a few milliseconds.
 */
export function paint(
  context: CanvasRenderingContext2D,
  scene: Scene,
  order: Order,
  camera: Camera,
  size: { width: number; height: number },
  look: Look,
  marks: Marks,
): void {
  const ratio = globalThis.devicePixelRatio || 1
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.fillStyle = look.background
  context.fillRect(0, 0, size.width, size.height)
  const { scale } = camera
  const left = camera.x - size.width / 2 / scale
  const top = camera.y - size.height / 2 / scale
  const right = left + size.width / scale
  const bottom = top + size.height / scale
  context.setTransform(ratio * scale, 0, 0, ratio * scale, -left * ratio * scale, -top * ratio * scale)

  drawEdges(context, scene, order, { left, top, right, bottom }, look, scale)
  drawBoxes(context, scene, order, { left, top, right, bottom }, look, marks, scale)
}

interface Window {
  left: number
  top: number
  right: number
  bottom: number
}

function drawEdges(context: CanvasRenderingContext2D, scene: Scene, order: Order, w: Window, look: Look, scale: number): void {
  context.strokeStyle = look.quiet
  context.lineWidth = Math.max(1, 0.6 / scale)
  context.beginPath()
  // A long edge may begin far above the window: those are few and kept apart.
  const draw = (e: number): void => {
    const { points } = scene.edges[e]!
    const last = points.length - 1
    if (last < 3 || points[last]! < w.top || points[1]! > w.bottom) return
    context.moveTo(points[0]!, points[1]!)
    if (scale < 0.15) context.lineTo(points[last - 1]!, points[last]!)
    else for (let i = 2; i < last; i += 2) context.lineTo(points[i]!, points[i + 1]!)
  }
  for (const e of order.long) draw(e)
  for (let i = firstFrom(order.edgeTop, w.top - order.reach); i < order.edges.length && order.edgeTop[i]! <= w.bottom; i++)
    draw(order.edges[i]!)
  context.stroke()
}

function drawBoxes(
  context: CanvasRenderingContext2D,
  scene: Scene,
  order: Order,
  w: Window,
  look: Look,
  marks: Marks,
  scale: number,
): void {
  const visible = new Map<Kind, number[]>()
  for (let i = firstFrom(order.boxTop, w.top - order.tallest); i < order.boxes.length && order.boxTop[i]! <= w.bottom; i++) {
    const at = order.boxes[i]!
    const box = scene.boxes[at]!
    if (box.x + box.width / 2 < w.left || box.x - box.width / 2 > w.right) continue
    const kind = box.block === undefined ? kindOf(box.title) : 'block'
    const same = visible.get(kind)
    if (same) same.push(at)
    else visible.set(kind, [at])
  }
  const round = scale > LABELS
  for (const [kind, boxes] of visible) {
    context.fillStyle = look.kinds[kind]
    if (!round) {
      // A plain rectangle is filled at once; a path of many has to be sorted first.
      for (const at of boxes) {
        const { x, y, width, height } = scene.boxes[at]!
        context.fillRect(x - width / 2, y - height / 2, width, height)
      }
      continue
    }
    context.beginPath()
    for (const at of boxes) {
      const { x, y, width, height } = scene.boxes[at]!
      context.roundRect(x - width / 2, y - height / 2, width, height, 7)
    }
    context.fill()
    context.strokeStyle = look.line
    context.lineWidth = 1
    context.stroke()
  }
  outline(context, scene, marks, look, scale)
  if (round) label(context, scene, [...visible.values()].flat(), look)
}

/** Titles first, then names: setting a font costs more than drawing a word. */
function label(context: CanvasRenderingContext2D, scene: Scene, boxes: readonly number[], look: Look): void {
  context.textBaseline = 'middle'
  context.font = `600 13px ${look.font}`
  context.fillStyle = look.ink
  for (const at of boxes) {
    const { x, y, width, title } = scene.boxes[at]!
    context.fillText(title, x - width / 2 + 12, y - 8)
  }
  context.font = `11.5px ${look.font}`
  context.fillStyle = look.quiet
  for (const at of boxes) {
    const { x, y, width, subtitle } = scene.boxes[at]!
    context.fillText(subtitle, x - width / 2 + 12, y + 9)
  }
}

function outline(context: CanvasRenderingContext2D, scene: Scene, { selected, found }: Marks, look: Look, scale: number): void {
  const ring = (at: number, colour: string, by: number): void => {
    const { x, y, width, height } = scene.boxes[at]!
    context.strokeStyle = colour
    context.lineWidth = Math.max(2.5, 2 / scale)
    context.beginPath()
    context.roundRect(x - width / 2 - by, y - height / 2 - by, width + 2 * by, height + 2 * by, 8)
    context.stroke()
  }
  for (const at of found) ring(at, look.mark, 2)
  if (selected !== undefined && scene.boxes[selected]) ring(selected, look.accent, 3)
}

/** Boxes and edges by their upper ends. */
export interface Order {
  boxes: Int32Array
  boxTop: Float32Array
  tallest: number
  edges: Int32Array
  edgeTop: Float32Array
  /** Longest edge that is found by bisection; longer ones are in `long`. */
  reach: number
  long: number[]
}

const REACH = 600

/** The order that drawing and hit tests search in; made anew whenever places change. */
export function orderOf(scene: Scene): Order {
  const boxes = Int32Array.from(scene.boxes.keys()).sort((a, b) => topOf(scene, a) - topOf(scene, b))
  const near: number[] = []
  const long: number[] = []
  scene.edges.forEach(({ points }, e) => {
    if (points.length >= 4) (points.at(-1)! - points[1]! > REACH ? long : near).push(e)
  })
  near.sort((a, b) => scene.edges[a]!.points[1]! - scene.edges[b]!.points[1]!)
  return {
    boxes,
    boxTop: Float32Array.from(boxes, (i) => topOf(scene, i)),
    tallest: scene.boxes.reduce((most, box) => Math.max(most, box.height), 0),
    edges: Int32Array.from(near),
    edgeTop: Float32Array.from(near, (e) => scene.edges[e]!.points[1]!),
    reach: REACH,
    long,
  }
}

const topOf = (scene: Scene, i: number): number => scene.boxes[i]!.y - scene.boxes[i]!.height / 2

/** First place whose value is at least `value`. */
function firstFrom(sorted: Float32Array, value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

/** The box under a point of the drawing, or undefined. */
export function boxAt(scene: Scene, order: Order, x: number, y: number): number | undefined {
  for (let i = firstFrom(order.boxTop, y - order.tallest); i < order.boxes.length && order.boxTop[i]! <= y; i++) {
    const at = order.boxes[i]!
    const box = scene.boxes[at]!
    if (Math.abs(x - box.x) <= box.width / 2 && Math.abs(y - box.y) <= box.height / 2) return at
  }
  return undefined
}
