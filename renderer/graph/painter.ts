import type { Kind } from './kinds.ts'
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
  /** Fill of a box by its kind, and of one without label and outline, which its colour alone sets off. */
  kinds: Record<Kind, string>
  far: Record<Kind, string>
}

export interface Marks {
  selected: number | undefined
  /** Boxes that a search found. */
  found: ReadonlySet<number>
}

/** A part of the drawing, in its own units. */
export interface Region {
  left: number
  top: number
  right: number
  bottom: number
}

/** Below this scale a label would be smaller than can be read. */
const LABELS = 0.42
/** Lines of one path: a longer path costs more than its parts, since its corners are sorted. */
const LINES = 96

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D

/**
 * Draws what lies in a region, in units of the scene. Boxes and edges come from top to bottom, so that part is found by bisection; boxes of
 * one colour are filled as one path; edges shorter than two pixels are not drawn.
 */
export function paintRegion(context: Context, scene: Scene, order: Order, region: Region, look: Look, scale: number): void {
  context.fillStyle = look.background
  context.fillRect(region.left, region.top, region.right - region.left, region.bottom - region.top)
  drawEdges(context, scene, order, region, look, scale)
  drawBoxes(context, scene, order, region, look, scale)
}

function drawEdges(context: Context, scene: Scene, order: Order, w: Region, look: Look, scale: number): void {
  context.strokeStyle = look.quiet
  context.lineWidth = Math.max(1, 0.6 / scale)
  const least = 2 / scale
  let lines = 0
  context.beginPath()
  const draw = (e: number): void => {
    const { points } = scene.edges[e]!
    const last = points.length - 1
    if (last < 3 || points[last]! < w.top || points[1]! > w.bottom) return
    if (order.edgeRight[e]! < w.left || order.edgeLeft[e]! > w.right || points[last]! - points[1]! < least) return
    context.moveTo(points[0]!, points[1]!)
    if (scale < 0.15) context.lineTo(points[last - 1]!, points[last]!)
    else for (let i = 2; i < last; i += 2) context.lineTo(points[i]!, points[i + 1]!)
    if (++lines % LINES > 0) return
    context.stroke()
    context.beginPath()
  }
  // A long edge may begin far above the region: those are few and kept apart.
  for (const e of order.long) draw(e)
  if (order.reach >= least)
    for (let i = firstFrom(order.edgeTop, w.top - order.reach); i < order.edges.length && order.edgeTop[i]! <= w.bottom; i++)
      draw(order.edges[i]!)
  context.stroke()
}

function drawBoxes(context: Context, scene: Scene, order: Order, w: Region, look: Look, scale: number): void {
  const visible = new Map<Kind, number[]>()
  /** Smaller than a pixel, those of one row of pixels are one: the first. */
  const thin = order.tallest * scale < 1
  let row = NaN
  for (let i = firstFrom(order.boxTop, w.top - order.tallest); i < order.boxes.length && order.boxTop[i]! <= w.bottom; i++) {
    const at = order.boxes[i]!
    const box = scene.boxes[at]!
    if (box.x + box.width / 2 < w.left || box.x - box.width / 2 > w.right) continue
    if (thin) {
      const pixel = Math.floor(box.y * scale)
      if (pixel === row) continue
      row = pixel
    }
    const same = visible.get(box.kind)
    if (same) same.push(at)
    else visible.set(box.kind, [at])
  }
  const round = scale > LABELS
  for (const [kind, boxes] of visible) {
    context.fillStyle = (round ? look.kinds : look.far)[kind]
    if (!round) {
      // A plain rectangle is filled at once; a path of many has to be sorted first.
      const least = 1 / scale
      for (const at of boxes) {
        const { x, y, width, height } = scene.boxes[at]!
        const [w, h] = [Math.max(least, width), Math.max(least, height)]
        context.fillRect(x - w / 2, y - h / 2, w, h)
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
  if (round) label(context, scene, [...visible.values()].flat(), look)
}

/** Titles first, then names: setting a font costs more than drawing a word. */
function label(context: Context, scene: Scene, boxes: readonly number[], look: Look): void {
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

/** Rings around what is selected or was found, above the picture; the context has units of the scene. */
export function paintMarks(context: Context, scene: Scene, marks: Marks, region: Region, look: Look, scale: number): void {
  const { selected, found } = marks
  const ring = (at: number, colour: string, by: number): void => {
    const { x, y, width, height } = scene.boxes[at]!
    if (y + height < region.top || y - height > region.bottom || x + width < region.left || x - width > region.right) return
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
  /** Outermost points of every edge. */
  edgeLeft: Float32Array
  edgeRight: Float32Array
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
  const [edgeLeft, edgeRight] = [new Float32Array(scene.edges.length), new Float32Array(scene.edges.length)]
  scene.edges.forEach(({ points }, e) => {
    let [low, high] = [Infinity, -Infinity]
    for (let i = 0; i < points.length; i += 2) {
      low = Math.min(low, points[i]!)
      high = Math.max(high, points[i]!)
    }
    edgeLeft[e] = low
    edgeRight[e] = high
  })
  return {
    boxes,
    boxTop: Float32Array.from(boxes, (i) => topOf(scene, i)),
    tallest: scene.boxes.reduce((most, box) => Math.max(most, box.height), 0),
    edges: Int32Array.from(near),
    edgeTop: Float32Array.from(near, (e) => scene.edges[e]!.points[1]!),
    reach: REACH,
    long,
    edgeLeft,
    edgeRight,
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
