/**
 * Coloured shapes. The class is the form alone: hue, place, turn, size, a background slope, smaller distractors, an occluding bar
 * and noise are nuisance, and grow with `difficulty`.
 */
import type { Random } from '../../random.ts'
import { diceOf, quickNormal, toByte, type Dice } from './canvas.ts'

type Distance = (x: number, y: number) => number

/** Signed distance to the edge of a polygon, negative inside; corners as x0, y0, x1, y1, … */
function polygon(points: readonly number[]): Distance {
  return (x, y) => {
    let nearest = Infinity
    let inside = false
    for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2) {
      const px = x - points[i]!
      const py = y - points[i + 1]!
      const ex = points[j]! - points[i]!
      const ey = points[j + 1]! - points[i + 1]!
      const t = Math.min(1, Math.max(0, (px * ex + py * ey) / (ex * ex + ey * ey)))
      const dx = px - t * ex
      const dy = py - t * ey
      nearest = Math.min(nearest, dx * dx + dy * dy)
      if (py < 0 !== py - ey < 0 && px < (py * ex) / ey) inside = !inside
    }
    return inside ? -Math.sqrt(nearest) : Math.sqrt(nearest)
  }
}

/** Corners on circles of radius 1 and, for stars, `inner` in turn. */
function corners(count: number, inner = 1): number[] {
  return Array.from({ length: count }, (_, i) => {
    const radius = i % 2 === 0 ? 1 : inner
    const angle = (2 * Math.PI * i) / count - Math.PI / 2
    return [radius * Math.cos(angle), radius * Math.sin(angle)]
  }).flat()
}

const disc: Distance = (x, y) => Math.hypot(x, y) - 0.92
const CROSS = [
  -0.32, -1, 0.32, -1, 0.32, -0.32, 1, -0.32, 1, 0.32, 0.32, 0.32, 0.32, 1, -0.32, 1, -0.32, 0.32, -1, 0.32, -1, -0.32, -0.32,
  -0.32,
]
const ARROW = [0, -1, 0.8, 0, 0.3, 0, 0.3, 1, -0.3, 1, -0.3, 0, -0.8, 0]

const SHAPES: readonly (readonly [name: string, distance: Distance])[] = [
  ['circle', disc],
  ['square', polygon([-0.8, -0.8, 0.8, -0.8, 0.8, 0.8, -0.8, 0.8])],
  ['triangle', polygon(corners(3))],
  ['star', polygon(corners(10, 0.42))],
  ['cross', polygon(CROSS)],
  ['ring', (x, y) => Math.abs(Math.hypot(x, y) - 0.68) - 0.24],
  ['pentagon', polygon(corners(5))],
  ['crescent', (x, y) => Math.max(disc(x, y), 0.8 - Math.hypot(x - 0.45, y))],
  ['arrow', polygon(ARROW)],
  ['bar', polygon([-1, -0.34, 1, -0.34, 1, 0.34, -1, 0.34])],
]

export const SHAPE_NAMES = SHAPES.map(([name]) => name)

/** Draws shape number `label` into `out`: size x size x channels (1 or 3) bytes. */
export function drawShape(
  label: number,
  size: number,
  channels: number,
  difficulty: number,
  random: Random,
  out: Uint8Array,
): void {
  const dice = diceOf(random.fork('form'))
  const d = difficulty
  const values = new Float32Array(size * size * channels)
  const [paper, ink] = twoColours(dice, channels, d)
  const [slopeX, slopeY] = [dice.between(-0.4, 0.4) * d, dice.between(-0.4, 0.4) * d]
  for (let at = 0; at < size * size; at++) {
    const slope = slopeX * ((at % size) / size - 0.5) + slopeY * (at / size / size - 0.5)
    for (let c = 0; c < channels; c++) values[at * channels + c] = paper[c]! + slope
  }
  for (let i = dice.int(1 + Math.round(4 * d)); i > 0; i--) {
    const distance = SHAPES[dice.int(SHAPES.length)]![1]
    const place = {
      x: dice.between(0, size),
      y: dice.between(0, size),
      radius: size * dice.between(0.04, 0.1),
      angle: dice.between(0, 6.28),
    }
    stamp(values, size, channels, distance, place, colour(dice, channels))
  }
  const radius = size * (0.36 - dice.between(0, 0.18) * d)
  const slack = Math.max(0, 0.5 - radius / size) * (0.1 + 0.9 * d * d)
  const place = {
    x: size * (0.5 + dice.between(-slack, slack)),
    y: size * (0.5 + dice.between(-slack, slack)),
    radius,
    angle: dice.between(-Math.PI, Math.PI) * (0.05 + 0.95 * d ** 3),
  }
  stamp(values, size, channels, SHAPES[label]![1], place, ink)
  if (dice.chance(0.6 * d ** 3)) {
    const bar = {
      x: place.x + dice.between(-radius, radius),
      y: place.y + dice.between(-radius, radius),
      radius: size,
      angle: dice.between(0, 6.28),
    }
    stamp(values, size, channels, (_, y) => Math.abs(y) - 0.035, bar, colour(dice, channels))
  }
  const noise = random.fork('noise')
  const sigma = 0.02 + 0.14 * d * d
  for (let i = 0; i < values.length; i++) out[i] = toByte(values[i]! + sigma * quickNormal(noise, i))
}

function colour(dice: Dice, channels: number, low = 0, high = 1): number[] {
  return Array.from({ length: channels }, () => dice.between(low, high))
}

/** Background and shape: any hues, the shape lighter; at high difficulty close in lightness and now and then the darker one. */
function twoColours(dice: Dice, channels: number, d: number): [paper: number[], ink: number[]] {
  const paper = colour(dice, channels, 0, 0.4 + 0.4 * d)
  const lightness = (c: readonly number[]) => c.reduce((a, b) => a + b, 0) / channels
  let ink = colour(dice, channels, 0.6 - 0.4 * d, 1)
  // The search is bounded: beside the lightest backgrounds the gap may not exist.
  for (let i = 0; i < 16 && lightness(ink) - lightness(paper) < 0.45 - 0.35 * d; i++) {
    const other = colour(dice, channels, 0.6 - 0.4 * d, 1)
    if (lightness(other) > lightness(ink)) ink = other
  }
  return dice.chance(0.5 * d ** 3) ? [ink, paper] : [paper, ink]
}

interface Place {
  x: number
  y: number
  radius: number
  angle: number
}

function stamp(
  values: Float32Array,
  size: number,
  channels: number,
  distance: Distance,
  place: Place,
  ink: readonly number[],
): void {
  const { x: cx, y: cy, radius, angle } = place
  const [cos, sin] = [Math.cos(angle) / radius, Math.sin(angle) / radius]
  const reach = radius * 1.45 + 1
  const low = (v: number) => Math.max(0, Math.floor(v - reach))
  const high = (v: number) => Math.min(size - 1, Math.ceil(v + reach))
  for (let y = low(cy); y <= high(cy); y++) {
    for (let x = low(cx); x <= high(cx); x++) {
      const [px, py] = [x + 0.5 - cx, y + 0.5 - cy]
      const coverage = 0.5 - distance(px * cos + py * sin, py * cos - px * sin) * radius
      if (coverage <= 0) continue
      const a = Math.min(1, coverage)
      for (let c = 0; c < channels; c++) {
        const at = (y * size + x) * channels + c
        values[at] = values[at]! * (1 - a) + a * ink[c]!
      }
    }
  }
}
