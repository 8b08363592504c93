import { z } from 'zod'
import { defineAugment, pictureSize } from '../augment.ts'
import { luma } from '../format/image.ts'

const amount = (value: number, most: number) => z.number().min(0).max(most).default(value)

/**
 * Brightness, contrast and saturation times a factor in [1 - a, 1 + a], then the hue turned by up to `hue` of the circle, in this
 * order, clamped to 0..255 after each. Saturation and hue leave gray pictures alone. The hue is turned in YUV, keeping the luma.
 */
export default defineAugment({
  id: 'colour-jitter',
  title: 'Colour jitter',
  options: z.strictObject({
    brightness: amount(0.4, 1),
    contrast: amount(0.4, 1),
    saturation: amount(0.4, 1),
    hue: amount(0.1, 0.5),
  }),
  apply(batch, options, random) {
    const size = pictureSize(batch)
    const pixels = batch.pixels.slice()
    const isColour = batch.channels === 3
    for (let n = 0; n < batch.count; n++) {
      const own = random.sample(n)
      const factor = (i: number, a: number) => 1 + a * (2 * own.uniform(i) - 1)
      const picture = pixels.subarray(n * size, (n + 1) * size)
      blend(picture, 0, factor(0, options.brightness))
      blend(picture, meanGray(picture, batch.channels), factor(1, options.contrast))
      if (!isColour) continue
      const saturation = factor(2, options.saturation)
      for (let i = 0; i < size; i += 3) {
        const pixel = picture.subarray(i, i + 3)
        blend(pixel, luma(pixel[0]!, pixel[1]!, pixel[2]!), saturation)
      }
      if (options.hue > 0) turnHue(picture, 2 * Math.PI * options.hue * (2 * own.uniform(3) - 1))
    }
    return { ...batch, pixels }
  },
})

const clamp = (v: number): number => Math.min(255, Math.max(0, v))

/** towards + factor (v - towards). */
function blend(values: Float32Array, towards: number, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i] = clamp(towards + factor * (values[i]! - towards))
}

function meanGray(picture: Float32Array, channels: number): number {
  let sum = 0
  for (let i = 0; i < picture.length; i += channels) {
    sum += channels === 3 ? luma(picture[i]!, picture[i + 1]!, picture[i + 2]!) : picture[i]!
  }
  return (sum * channels) / picture.length
}

/** Turns the chroma (R - Y, B - Y), scaled as in YUV so that a turn is a turn of the hue. */
function turnHue(picture: Float32Array, angle: number): void {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  for (let i = 0; i < picture.length; i += 3) {
    const y = luma(picture[i]!, picture[i + 1]!, picture[i + 2]!)
    const u = 0.493 * (picture[i + 2]! - y)
    const v = 0.877 * (picture[i]! - y)
    const red = y + (sin * u + cos * v) / 0.877
    const blue = y + (cos * u - sin * v) / 0.493
    picture[i] = clamp(red)
    picture[i + 1] = clamp((y - 0.299 * red - 0.114 * blue) / 0.587)
    picture[i + 2] = clamp(blue)
  }
}
