/** A small float canvas and what both built-in sets do to it: strokes, noise, 8-bit pixels. Values are in [0, 1]. */
import type { Random } from '../../random.ts'

export interface Canvas {
  size: number
  values: Float32Array
}

/** Numbers of one sample, drawn one after the other. */
export interface Dice {
  /** Uniform in [lo, hi). */
  between(lo: number, hi: number): number
  int(n: number): number
  chance(p: number): boolean
}

export function diceOf(random: Random): Dice {
  let i = 0
  return {
    between: (lo, hi) => lo + (hi - lo) * random.uniform(i++),
    int: (n) => random.int(i++, n),
    chance: (p) => random.uniform(i++) < p,
  }
}

/**
 * Draws a segment with round ends: coverage falls from 1 to 0 over one pixel at distance `radius`. Overlapping strokes take the
 * larger coverage, so that joints are not brighter than the stroke. Coordinates are pixels.
 */
export function drawSegment(canvas: Canvas, x0: number, y0: number, x1: number, y1: number, radius: number, ink: number): void {
  const { size, values } = canvas
  const reach = radius + 0.5
  const left = Math.max(0, Math.floor(Math.min(x0, x1) - reach))
  const right = Math.min(size - 1, Math.ceil(Math.max(x0, x1) + reach))
  const top = Math.max(0, Math.floor(Math.min(y0, y1) - reach))
  const bottom = Math.min(size - 1, Math.ceil(Math.max(y0, y1) + reach))
  const dx = x1 - x0
  const dy = y1 - y0
  const inverse = 1 / Math.max(dx * dx + dy * dy, 1e-12)
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const px = x + 0.5 - x0
      const py = y + 0.5 - y0
      const t = Math.min(1, Math.max(0, (px * dx + py * dy) * inverse))
      const ex = px - t * dx
      const ey = py - t * dy
      const distance = ex * ex + ey * ey
      if (distance >= reach * reach) continue
      const coverage = Math.min(1, reach - Math.sqrt(distance)) * ink
      const at = y * size + x
      if (coverage > values[at]!) values[at] = coverage
    }
  }
}

/** About normal, standard deviation 1, from one word: the sum of its four bytes (variance 4 x (256^2 - 1) / 12). */
export function quickNormal(random: Random, i: number): number {
  const word = random.uint32(i)
  const sum = (word & 255) + ((word >>> 8) & 255) + ((word >>> 16) & 255) + (word >>> 24)
  return (sum - 510) / 147.8
}

/** [0, 1] to 8 bits, rounded and clamped. */
export const toByte = (value: number): number => Math.max(0, Math.min(255, Math.round(value * 255)))
