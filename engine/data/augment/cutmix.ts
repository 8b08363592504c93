import { z } from 'zod'
import { defineAugment, pictureSize } from '../augment.ts'

/**
 * Yun et al. 2019. A box of a partner's picture replaces the same box; targets mix by area. The box has share 1 - c of the area,
 * c ~ Beta(alpha, alpha), its centre is uniform, and c is set to what is left after clipping at the border.
 */
export default defineAugment({
  id: 'cutmix',
  title: 'CutMix',
  paper: 'arXiv:1905.04899',
  options: z.strictObject({ alpha: z.number().positive().default(1) }),
  apply(batch, { alpha }, random) {
    const { count, height, width, channels } = batch
    const size = pictureSize(batch)
    const own = random.batch
    const partner = own.fork('partner').permutation(count)
    const side = Math.sqrt(1 - own.beta(0, alpha, alpha))
    const centre = own.fork('centre')
    const [cy, cx] = [centre.int(0, height), centre.int(1, width)]
    const half = (length: number) => Math.floor((length * side) / 2)
    const [top, bottom] = [Math.max(0, cy - half(height)), Math.min(height, cy + half(height))]
    const [left, right] = [Math.max(0, cx - half(width)), Math.min(width, cx + half(width))]
    const pixels = batch.pixels.slice()
    for (let n = 0; n < count; n++) {
      for (let y = top; y < bottom; y++) {
        const from = partner[n]! * size + (y * width + left) * channels
        const row = batch.pixels.subarray(from, from + (right - left) * channels)
        pixels.set(row, n * size + (y * width + left) * channels)
      }
    }
    const c = 1 - ((bottom - top) * (right - left)) / (height * width)
    const classes = (batch.target?.length ?? 0) / count
    const target = batch.target?.map(
      (v, i) => c * v + (1 - c) * batch.target![partner[Math.floor(i / classes)]! * classes + (i % classes)]!,
    )
    return { ...batch, pixels, ...(target ? { target } : {}) }
  },
})
