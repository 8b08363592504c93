/**
 * Digits and letters under affine distortion, elastic wobble, varying pen, clutter and noise. Every amount grows with `difficulty`:
 * 0 is clean print, 1 is hard to read.
 */
import type { Random } from '../../random.ts'
import { diceOf, drawSegment, quickNormal, toByte, type Canvas, type Dice } from './canvas.ts'
import { GLYPHS, strokesOf } from './glyphTable.ts'

export const GLYPH_NAMES = GLYPHS.map(([name]) => name)
const STROKES = GLYPHS.map(([, strokes]) => strokesOf(strokes))

/** Draws glyph number `label` into `out`: size x size x channels bytes, light on dark. */
export function drawGlyph(
  label: number,
  size: number,
  channels: number,
  difficulty: number,
  random: Random,
  out: Uint8Array,
): void {
  const dice = diceOf(random.fork('form'))
  const d = difficulty
  const canvas: Canvas = { size, values: new Float32Array(size * size) }
  const ink = 1 - dice.between(0, 0.5 * d)
  for (let i = dice.int(1 + Math.round(5 * d)); i > 0; i--) drawClutter(canvas, dice, ink * dice.between(0.4, 0.9))
  drawStrokes(canvas, STROKES[label]!, ink, d, dice)
  const background = dice.between(0, 0.25 * d)
  const slopeX = dice.between(-0.3, 0.3) * d
  const slopeY = dice.between(-0.3, 0.3) * d
  const noise = random.fork('noise')
  const sigma = dice.between(0.02, 0.06) + 0.22 * d * d
  const tint = Array.from({ length: channels }, () => (channels === 1 ? 1 : 1 - dice.between(0, 0.7)))
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const at = y * size + x
      const paper = background + slopeX * (x / size - 0.5) + slopeY * (y / size - 0.5)
      const value = paper + (1 - paper) * canvas.values[at]! + sigma * quickNormal(noise, at)
      for (let c = 0; c < channels; c++) out[at * channels + c] = toByte(value * tint[c]!)
    }
  }
}

function drawStrokes(canvas: Canvas, strokes: Float64Array[], ink: number, d: number, dice: Dice): void {
  const { size } = canvas
  const angle = dice.between(-1, 1) * 0.6 * d
  const shear = dice.between(-1, 1) * 0.5 * d
  const scaleX = size * (0.72 + dice.between(-0.36, 0.1) * d)
  const scaleY = size * (0.76 + dice.between(-0.3, 0.1) * d)
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const centreX = size * (0.5 + dice.between(-0.16, 0.16) * d)
  const centreY = size * (0.5 + dice.between(-0.16, 0.16) * d)
  const radius = (size / 28) * (1.1 + dice.between(-0.5, 0.9) * d)
  const amount = 0.09 * d
  // Two low waves for each axis: smooth, and cheaper than a filtered field.
  const waves = Array.from({ length: 4 }, () => [dice.between(3, 9), dice.between(3, 9), dice.between(0, 6.28)] as const)
  const wave = (k: number, x: number, y: number) => Math.sin(waves[k]![0] * x + waves[k]![1] * y + waves[k]![2])
  for (const points of strokes) {
    let before: [number, number] | undefined
    for (let i = 0; i < points.length; i += 2) {
      const x = points[i]! + amount * (wave(0, points[i]!, points[i + 1]!) + 0.5 * wave(1, points[i + 1]!, -points[i]!))
      const y = points[i + 1]! + amount * (wave(2, points[i]!, -points[i + 1]!) + 0.5 * wave(3, points[i + 1]!, points[i]!))
      const u = (x + shear * y) * scaleX
      const v = y * scaleY
      const now: [number, number] = [centreX + cos * u - sin * v, centreY + sin * u + cos * v]
      if (before) drawSegment(canvas, before[0], before[1], now[0], now[1], radius, ink)
      before = now
    }
  }
}

/** A short stroke that belongs to no glyph. */
function drawClutter(canvas: Canvas, dice: Dice, ink: number): void {
  const { size } = canvas
  const x = dice.between(0, size)
  const y = dice.between(0, size)
  const angle = dice.between(0, 2 * Math.PI)
  const length = size * dice.between(0.08, 0.3)
  drawSegment(canvas, x, y, x + length * Math.cos(angle), y + length * Math.sin(angle), (size / 28) * dice.between(0.5, 1.1), ink)
}
