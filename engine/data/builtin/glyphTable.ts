/**
 * Ten digits and 26 capital letters as pen strokes on a grid of 100 x 100, y down, drawn for this project. Strokes are separated by `;`:
 * `l x,y x,y …` is a polyline; `a cx,cy,rx,ry,from,to` an arc of an ellipse in degrees, 0 to the right, 90 down.
 * Look-alikes are kept apart by a mark: the zero is slashed, the Z crossed, the I has serifs, the one a flag.
 */
export const GLYPHS: readonly (readonly [name: string, strokes: string])[] = [
  ['0', 'a 50,50,28,42,0,360; l 61,30 39,70'],
  ['1', 'l 34,24 52,8 52,92'],
  ['2', 'a 50,32,26,24,190,395; l 71,46 24,92 78,92'],
  ['3', 'a 48,29,24,21,200,450; a 48,71,28,21,270,520'],
  ['4', 'l 62,92 62,8 20,66 82,66'],
  ['5', 'l 74,8 32,8 30,47; a 48,66,26,26,225,505'],
  ['6', 'a 50,68,26,24,0,360; a 70,68,46,60,180,262'],
  ['7', 'l 22,8 78,8 42,92'],
  ['8', 'a 50,29,22,21,0,360; a 50,71,27,21,0,360'],
  ['9', 'a 50,32,26,24,0,360; a 30,32,46,60,0,82'],
  ['A', 'l 18,92 50,8 82,92; l 30,62 70,62'],
  ['B', 'l 52,92 26,92 26,8 50,8; a 50,29,24,21,270,450; l 26,50 52,50; a 52,71,26,21,270,450'],
  ['C', 'a 54,50,32,42,50,310'],
  ['D', 'l 44,92 26,92 26,8 44,8; a 44,50,34,42,270,450'],
  ['E', 'l 74,8 28,8 28,92 74,92; l 28,50 66,50'],
  ['F', 'l 74,8 28,8 28,92; l 28,50 66,50'],
  ['G', 'a 52,50,32,42,0,310; l 84,52 56,52'],
  ['H', 'l 24,8 24,92; l 76,8 76,92; l 24,50 76,50'],
  ['I', 'l 50,8 50,92; l 32,8 68,8; l 32,92 68,92'],
  ['J', 'l 66,8 66,68; a 44,68,22,24,0,180'],
  ['K', 'l 26,8 26,92; l 76,8 26,56; l 42,42 78,92'],
  ['L', 'l 28,8 28,92 76,92'],
  ['M', 'l 18,92 18,8 50,60 82,8 82,92'],
  ['N', 'l 22,92 22,8 78,92 78,8'],
  ['O', 'a 50,50,36,42,0,360'],
  ['P', 'l 28,92 28,8 50,8; a 50,31,26,23,270,450; l 50,54 28,54'],
  ['Q', 'a 50,48,34,40,0,360; l 58,66 84,94'],
  ['R', 'l 28,92 28,8 50,8; a 50,31,26,23,270,450; l 28,54 50,54 78,92'],
  ['S', 'a 50,29,24,21,330,90; a 50,71,26,21,270,510'],
  ['T', 'l 20,8 80,8; l 50,8 50,92'],
  ['U', 'l 22,8 22,62; a 50,62,28,30,180,0; l 78,62 78,8'],
  ['V', 'l 20,8 50,92 80,8'],
  ['W', 'l 12,8 32,92 50,36 68,92 88,8'],
  ['X', 'l 22,8 78,92; l 78,8 22,92'],
  ['Y', 'l 20,8 50,50 80,8; l 50,50 50,92'],
  ['Z', 'l 22,8 78,8 22,92 78,92; l 36,50 64,50'],
]

const ARC_STEP = 20
const LINE_STEP = 25

/** Strokes as points x0, y0, x1, y1, … around the centre, in [-0.5, 0.5]; long lines are cut so that they can bend. */
export function strokesOf(text: string): Float64Array[] {
  return text.split(';').map((stroke) => {
    const [kind = '', ...numbers] = stroke.trim().split(/[\s,]+/)
    const n = numbers.map(Number)
    return Float64Array.from((kind === 'a' ? arc(n) : polyline(n)).map((v) => v / 100 - 0.5))
  })
}

function arc([cx = 0, cy = 0, rx = 0, ry = 0, from = 0, to = 0]: number[]): number[] {
  const steps = Math.ceil(Math.abs(to - from) / ARC_STEP)
  return Array.from({ length: steps + 1 }, (_, i) => ((from + ((to - from) * i) / steps) * Math.PI) / 180).flatMap((angle) => [
    cx + rx * Math.cos(angle),
    cy + ry * Math.sin(angle),
  ])
}

function polyline(n: number[]): number[] {
  const out = n.slice(0, 2)
  for (let i = 2; i < n.length; i += 2) {
    const [x0, y0, x1, y1] = n.slice(i - 2, i + 2) as [number, number, number, number]
    const steps = Math.ceil(Math.hypot(x1 - x0, y1 - y0) / LINE_STEP)
    for (let k = 1; k <= steps; k++) out.push(x0 + ((x1 - x0) * k) / steps, y0 + ((y1 - y0) * k) / steps)
  }
  return out
}
