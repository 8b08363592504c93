import { random } from '../random.ts'
import type { LabDataSpec } from './lab.ts'

type Pictures = Extract<LabDataSpec, { target: unknown }>

/** Height and width of a picture. */
export const FACE = 16
const AREA = FACE * FACE

/** Drawn once for each face. */
interface Face {
  x: number
  y: number
  radius: number
  skin: number
  mouth: number
  lips: number
}

/** 1 inside an ellipse, 0 outside, a pixel wide slope at its border. */
function ellipse(px: number, py: number, x: number, y: number, a: number, b: number): number {
  const distance = Math.hypot((px - x) / a, (py - y) / b)
  return Math.min(1, Math.max(0, 0.5 - (distance - 1) * Math.min(a, b)))
}

/** Brightness of each pixel, row by row: a head with two eyes, and a mouth of the given opening in pixels. */
function draw(f: Face, opening: number): Float32Array {
  return Float32Array.from({ length: AREA }, (_, i) => {
    const [px, py] = [i % FACE, Math.floor(i / FACE)]
    const mix = (under: number, over: number, share: number) => under + share * (over - under)
    let v = mix(0.1, f.skin, ellipse(px, py, f.x, f.y, f.radius, f.radius * 1.15))
    for (const side of [-1, 1]) v = mix(v, 0.05, ellipse(px, py, f.x + side * f.radius * 0.4, f.y - f.radius * 0.35, 0.9, 0.9))
    v = mix(v, f.lips, ellipse(px, py, f.x, f.y + f.radius * 0.5, f.mouth + 0.7, opening + 0.9))
    return mix(v, 0, ellipse(px, py, f.x, f.y + f.radius * 0.5, f.mouth, opening))
  })
}

/**
 * Talking faces in miniature: how far the mouth is open follows the loudness of a tone. Inputs [3, 16, 16]: the face with its lower half
 * hidden, the same face with another opening, and 256 samples of the tone, whose height, pitch and phase are drawn. The target is the
 * whole face, 256 brightnesses. The last `test` samples are the test part.
 */
export function talkingFaces(
  seed: number,
  { count, test, volume = 1, noise = 0 }: { count: number; test: number; volume?: number; noise?: number },
): Pictures {
  const values = new Float32Array(count * 3 * AREA)
  const target = new Float32Array(count * AREA)
  for (let n = 0; n < count; n++) {
    const u = random(seed, 'face', n).fillUniform(new Float32Array(11), 0, 1)
    const between = (i: number, low: number, high: number) => low + u[i]! * (high - low)
    const face: Face = {
      x: between(0, 6.5, 8.5),
      y: between(1, 6.5, 8),
      radius: between(2, 5, 6.5),
      skin: between(3, 0.5, 0.95),
      mouth: between(4, 1.4, 2.6),
      lips: between(5, 0.2, 0.4),
    }
    const [loudness, before] = [u[6]!, u[7]!]
    const [pitch, phase] = [between(8, 4, 24), between(9, 0, 2 * Math.PI)]
    const whole = draw(face, 2.2 * loudness)
    const grain = random(seed, 'grain', n).fillNormal(new Float32Array(AREA), 0, n < count - test ? noise : 0)
    target.set(whole.map((v, i) => v + grain[i]!), n * AREA) // prettier-ignore
    const at = n * 3 * AREA
    values.set(whole.map((v, i) => (i < AREA / 2 ? v : 0)), at) // prettier-ignore
    values.set(draw(face, 2.2 * before), at + AREA)
    for (let i = 0; i < AREA; i++)
      values[at + 2 * AREA + i] = volume * loudness * Math.sin((2 * Math.PI * pitch * i) / AREA + phase)
  }
  return { values, shape: [3, FACE, FACE], target, test }
}
