import { describe, expect, it } from 'vitest'
import { random } from '../random.ts'
import { augmentations, withOptions } from './index.ts'
import type { AugmentBatch, AugmentRandom } from './types.ts'

const [count, height, width, channels, classes] = [12, 6, 8, 3, 4]
const size = height * width * channels
const batch: AugmentBatch = {
  count,
  height,
  width,
  channels,
  pixels: random(1, 'pixels').fillUniform(new Float32Array(count * size), 0, 255),
  target: Float32Array.from({ length: count * classes }, (_, i) => (Math.floor(i / classes) % classes === i % classes ? 1 : 0)),
}
const rng = (seed: number): AugmentRandom => ({ sample: (n) => random(seed, 'sample', n), batch: random(seed, 'batch') })
const augment = (id: string, options: object = {}) =>
  withOptions(
    augmentations.find((a) => a.id === id)!,
    options,
  )
const picture = ({ pixels }: AugmentBatch, n: number) => Array.from(pixels.subarray(n * size, (n + 1) * size))
const rowsOf = (pixels: number[]) => Array.from({ length: height * width }, (_, i) => pixels.slice(3 * i, 3 * i + 3))

describe.each(augmentations.map((a) => a.id))('%s', (id) => {
  it('is a pure function: same draws, same pictures; its input stays', () => {
    const before = batch.pixels.slice()
    const a = augment(id).apply(batch, rng(1))
    expect(augment(id).apply(batch, rng(1))).toEqual(a)
    expect(batch.pixels).toEqual(before)
    expect(augment(id).apply(batch, rng(2)).pixels).not.toEqual(a.pixels)
  })

  it('keeps the shape, the range and targets that are distributions', () => {
    const { pixels, target, ...rest } = augment(id).apply(batch, rng(3))
    expect(rest).toMatchObject({ count, height, width, channels })
    expect(pixels.length).toBe(batch.pixels.length)
    expect(pixels.every((v) => v >= 0 && v <= 255.001)).toBe(true)
    for (let n = 0; n < count; n++) {
      expect(target!.subarray(n * classes, (n + 1) * classes).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
    }
  })

  it('works without labels and names a wrong option', () => {
    const { target: _, ...unlabelled } = batch
    const done = augment(id).apply(unlabelled, rng(1))
    expect(done.target).toBeUndefined()
    expect(done.pixels).toEqual(augment(id).apply(batch, rng(1)).pixels)
    expect(() => augment(id, { nonsense: 1 })).toThrow(expect.objectContaining({ where: `augment.${id}` }))
  })
})

describe('what each does', () => {
  it('flip mirrors all or none', () => {
    const all = augment('flip', { share: 1 }).apply(batch, rng(1))
    const mirrored = rowsOf(picture(batch, 5)).map(
      (_, i, pixels) => pixels[Math.floor(i / width) * width + (width - 1 - (i % width))]!,
    )
    expect(rowsOf(picture(all, 5))).toEqual(mirrored)
    expect(augment('flip', { share: 1 }).apply(all, rng(1)).pixels).toEqual(batch.pixels)
    expect(augment('flip', { share: 0 }).apply(batch, rng(1)).pixels).toEqual(batch.pixels)
  })

  it('padded crop shifts by at most the padding, with black or mirrored borders', () => {
    const shifts = new Set<string>()
    for (const fill of ['zero', 'reflect'] as const) {
      for (let seed = 0; seed < 80; seed++) {
        const done = augment('padded-crop', { padding: 1, fill }).apply(batch, rng(seed))
        const [now, before] = [rowsOf(picture(done, 0)), rowsOf(picture(batch, 0))]
        const shift = [-1, 0, 1]
          .flatMap((dy) => [-1, 0, 1].map((dx) => [dy, dx] as const))
          .find(([dy, dx]) => now[2 * width + 3]!.every((v, c) => v === before[(2 + dy) * width + 3 + dx]![c]))!
        shifts.add(shift.join())
        if (shift[0] === -1) expect(now[3]).toEqual(fill === 'zero' ? [0, 0, 0] : before[width + 3 + shift[1]])
      }
    }
    expect(shifts.size).toBe(9)
  })

  it('random resized crop of everything changes nothing', () => {
    const same = augment('random-resized-crop', { area: [1, 1], aspect: [1, 1] }).apply(batch, rng(1))
    same.pixels.forEach((v, i) => expect(v).toBeCloseTo(batch.pixels[i]!, 3))
  })

  it('mixup mixes pixels and targets by one coefficient', () => {
    const { pixels, target } = augment('mixup').apply(batch, rng(1))
    const partner = rng(1).batch.fork('partner').permutation(count)
    const c = rng(1).batch.beta(0, 1, 1)
    for (const n of [0, 7]) {
      for (const i of [0, 50]) {
        expect(pixels[n * size + i]).toBeCloseTo(
          c * batch.pixels[n * size + i]! + (1 - c) * batch.pixels[partner[n]! * size + i]!,
          3,
        )
      }
      const k = n % classes
      expect(target![n * classes + k]).toBeCloseTo(c + (partner[n]! % classes === k ? 1 - c : 0), 5)
    }
  })

  it('cutmix replaces a box and mixes targets by its area', () => {
    let changed = 0
    for (let seed = 0; seed < 10; seed++) {
      const { pixels, target } = augment('cutmix').apply(batch, rng(seed))
      const partner = rng(seed).batch.fork('partner').permutation(count)
      const n = partner.findIndex((p, i) => p % classes !== i % classes)
      let other = 0
      for (let i = 0; i < size; i += channels) {
        const mine = pixels[n * size + i] === batch.pixels[n * size + i]
        if (!mine) {
          other++
          expect(pixels[n * size + i]).toBe(batch.pixels[partner[n]! * size + i])
        }
      }
      changed += other
      expect(target![n * classes + (n % classes)]).toBeCloseTo(1 - other / (height * width), 5)
    }
    expect(changed).toBeGreaterThan(0)
  })

  it('colour jitter with hue alone keeps luma, and gray stays gray', () => {
    const only = { brightness: 0, contrast: 0, saturation: 0, hue: 0.1 }
    // Mid colours, so that nothing is clamped.
    const calm = { ...batch, pixels: batch.pixels.map((v) => 110 + v / 10) }
    const { pixels } = augment('colour-jitter', only).apply(calm, rng(1))
    const luma = (p: Float32Array, i: number) => 0.299 * p[i]! + 0.587 * p[i + 1]! + 0.114 * p[i + 2]!
    for (let i = 0; i < size; i += 3) expect(luma(pixels, i)).toBeCloseTo(luma(calm.pixels, i), 3)
    const gray = { ...batch, pixels: Float32Array.from(batch.pixels, (_, i) => batch.pixels[i - (i % 3)]!) }
    const jittered = augment('colour-jitter').apply(gray, rng(1)).pixels
    for (let i = 0; i < jittered.length; i += 3) expect(Math.abs(jittered[i]! - jittered[i + 1]!)).toBeLessThan(0.01)
  })

  it('colour jitter scales brightness by a factor in its range', () => {
    const { pixels } = augment('colour-jitter', { brightness: 0.2, contrast: 0, saturation: 0, hue: 0 }).apply(batch, rng(1))
    const factors = Array.from({ length: 40 }, (_, i) => pixels[i]! / batch.pixels[i]!).filter((_, i) => pixels[i]! < 255)
    for (const factor of factors) expect(factor).toBeCloseTo(factors[0]!, 4)
    expect(Math.abs(factors[0]! - 1)).toBeLessThanOrEqual(0.2)
  })

  it('erasing changes one box of about the area asked for', () => {
    const { pixels } = augment('erasing', { share: 1, area: [0.25, 0.25], fill: 'mean' }).apply(batch, rng(1))
    for (let n = 0; n < count; n++) {
      const mean = picture(batch, n).reduce((a, b) => a + b, 0) / size
      const erased = picture({ ...batch, pixels }, n).filter((v, i) => v !== batch.pixels[n * size + i])
      for (const v of erased) expect(v).toBeCloseTo(mean, 2)
      expect(erased.length / size).toBeGreaterThan(0.12)
      expect(erased.length / size).toBeLessThan(0.4)
    }
  })
})
