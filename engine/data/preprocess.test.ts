import { describe, expect, it } from 'vitest'
import { applyPreprocess, inputShape, parsePreprocess } from './index.ts'
import { resample } from './resample.ts'
import type { ImageBatch } from './types.ts'

const image = (shape: [number, number, number], pixels: number[]): ImageBatch => ({
  kind: 'image',
  count: pixels.length / (shape[0] * shape[1] * shape[2]),
  shape,
  pixels: Uint8Array.from(pixels),
})

describe('resample', () => {
  const row = (values: number[], to: number, box?: [left: number, width: number]) => {
    const out = new Float32Array(to)
    const [left, width] = box ?? [0, values.length]
    resample(Float32Array.from(values), 0, [1, values.length, 1], { top: 0, left, height: 1, width }, [1, to], out, 0)
    return Array.from(out)
  }
  const close = (a: number[], b: number[]) => a.forEach((v, i) => expect(v).toBeCloseTo(b[i]!, 4))

  it('interpolates when enlarging: target centres lie at a quarter and three quarters', () => {
    close(row([0, 100], 4), [0, 25, 75, 100])
  })

  it('averages with a triangle of twice the width when halving', () => {
    // Weights 3/4, 3/4, 1/4 at the border, normalised.
    close(row([0, 100, 200, 250], 2), [(0.75 * 0 + 0.75 * 100 + 0.25 * 200) / 1.75, (0.25 * 100 + 0.75 * 200 + 0.75 * 250) / 1.75])
  })

  it('copies a box of whole pixels and keeps channels apart', () => {
    close(row([1, 2, 3, 4, 5], 3, [1, 3]), [2, 3, 4])
    const out = new Uint8Array(6)
    resample(Uint8Array.from([9, 9, 9, 1, 2, 3, 4, 5, 6]), 3, [1, 2, 3], { top: 0, left: 0, height: 1, width: 2 }, [1, 2], out, 0)
    expect(Array.from(out)).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('leaves a plain picture plain at any scale', () => {
    for (const to of [1, 3, 7, 20]) close(row(new Array<number>(7).fill(42), to), new Array<number>(to).fill(42))
  })
})

describe('applyPreprocess', () => {
  const base = { size: [1, 2], resize: 'none', scale: 1 / 255 }

  it('normalises each channel and puts it where the layout says', () => {
    const raw = image([1, 2, 3], [255, 0, 51, 0, 102, 255])
    const rgb = parsePreprocess({ ...base, channels: 'rgb', mean: [0, 0.1, 0.2], std: [1, 2, 4] })
    const [r, g, b] = [
      [1, 0],
      [-0.05, 0.15],
      [0, 0.2],
    ] as [number[], number[], number[]]
    const check = (p: typeof rgb, expected: number[]) =>
      applyPreprocess(raw, p).forEach((v, i) => expect(v, `at ${i}`).toBeCloseTo(expected[i]!, 6))
    check(rgb, [...r, ...g, ...b])
    check({ ...rgb, layout: 'NHWC' }, [r[0]!, g[0]!, b[0]!, r[1]!, g[1]!, b[1]!])
    // BGR: the mean of the first channel belongs to blue.
    check({ ...rgb, channels: 'bgr', mean: [0.2, 0.1, 0], std: [4, 2, 1] }, [...b, ...g, ...r])
    expect([inputShape(rgb), inputShape({ ...rgb, layout: 'NHWC' })]).toEqual([
      [3, 1, 2],
      [1, 2, 3],
    ])
  })

  it('turns colour to gray by Rec. 601 and gray to colour by repeating', () => {
    const gray = parsePreprocess({ ...base, channels: 'gray', scale: 1, mean: [0], std: [1] })
    expect(Array.from(applyPreprocess(image([1, 2, 3], [255, 0, 0, 0, 255, 0]), gray))).toEqual([76, 150])
    const rgb = parsePreprocess({ ...base, channels: 'rgb', scale: 1, mean: [0, 0, 0], std: [1, 1, 1] })
    expect(Array.from(applyPreprocess(image([1, 2, 1], [3, 4]), rgb))).toEqual([3, 4, 3, 4, 3, 4])
  })

  it('crops the middle, stretches the whole, and refuses another size when told not to resize', () => {
    const raw = image([1, 4, 1], [10, 20, 30, 40])
    const p = parsePreprocess({ channels: 'gray', size: [1, 2], scale: 1, mean: [0], std: [1], resize: 'crop' })
    expect(Array.from(applyPreprocess(raw, p))).toEqual([20, 30])
    expect(Array.from(applyPreprocess(raw, { ...p, resize: 'stretch' }))).toEqual([17, 33])
    expect(() => applyPreprocess(raw, { ...p, resize: 'none' })).toThrow(/expected 1 x 2 pixels, found 1 x 4/)
  })

  it('names the wrong field of a document', () => {
    const where = (document: unknown) => {
      try {
        parsePreprocess(document)
      } catch (error) {
        return (error as { where: string }).where
      }
      return undefined
    }
    expect(where({ ...base, channels: 'rgb', mean: [0], std: [1, 1, 1] })).toBe('preprocess.mean')
    expect(where({ ...base, channels: 'gray', mean: [0], std: [0] })).toBe('preprocess.std.0')
    expect(where({ ...base, channels: 'gray', mean: [0], std: [1], colour: 1 })).toBe('preprocess')
  })
})
