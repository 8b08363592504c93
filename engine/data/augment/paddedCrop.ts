import { z } from 'zod'
import { defineAugment, pictureSize } from '../augment.ts'

/** Shifts by up to `padding` pixels each way; what comes in is black, or mirrored: the CIFAR recipe of He et al. 2015 (padding 4, black). */
export default defineAugment({
  id: 'padded-crop',
  title: 'Padded crop',
  paper: 'arXiv:1512.03385',
  options: z.strictObject({ padding: z.number().int().min(0).default(4), fill: z.enum(['zero', 'reflect']).default('zero') }),
  apply(batch, { padding, fill }, random) {
    const { count, height, width, channels } = batch
    const size = pictureSize(batch)
    const pixels = new Float32Array(batch.pixels.length)
    const source = (at: number, length: number) => {
      if (at >= 0 && at < length) return at
      if (fill === 'zero') return -1
      // Period 2 (length - 1): the edge pixel is not repeated.
      const period = Math.max(1, 2 * (length - 1))
      const k = ((at % period) + period) % period
      return Math.min(k, period - k)
    }
    for (let n = 0; n < count; n++) {
      const own = random.sample(n)
      const [dy, dx] = [own.int(0, 2 * padding + 1) - padding, own.int(1, 2 * padding + 1) - padding]
      for (let y = 0; y < height; y++) {
        const fromY = source(y + dy, height)
        if (fromY < 0) continue
        for (let x = 0; x < width; x++) {
          const fromX = source(x + dx, width)
          if (fromX < 0) continue
          const [to, from] = [n * size + (y * width + x) * channels, n * size + (fromY * width + fromX) * channels]
          for (let c = 0; c < channels; c++) pixels[to + c] = batch.pixels[from + c]!
        }
      }
    }
    return { ...batch, pixels }
  },
})
