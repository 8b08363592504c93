import { z } from 'zod'
import { defineAugment, pictureSize, shareOption } from '../augment.ts'

/** Zhong et al. 2017. With probability `share`, one box of random area and aspect becomes noise, or the picture's mean. */
export default defineAugment({
  id: 'erasing',
  title: 'Random erasing',
  paper: 'arXiv:1708.04896',
  options: z.strictObject({
    share: shareOption(0.5),
    area: z.tuple([z.number().positive().max(1), z.number().positive().max(1)]).default([0.02, 0.33]),
    fill: z.enum(['noise', 'mean']).default('noise'),
  }),
  apply(batch, { share, area, fill }, random) {
    const { count, height, width, channels } = batch
    const size = pictureSize(batch)
    const pixels = batch.pixels.slice()
    for (let n = 0; n < count; n++) {
      const own = random.sample(n)
      if (own.uniform(0) >= share) continue
      const part = area[0] + (area[1] - area[0]) * own.uniform(1)
      const ratio = Math.exp((2 * own.uniform(2) - 1) * Math.log(10 / 3))
      const h = Math.min(height, Math.max(1, Math.round(height * Math.sqrt(part * ratio))))
      const w = Math.min(width, Math.max(1, Math.round(width * Math.sqrt(part / ratio))))
      const [top, left] = [own.int(3, height - h + 1), own.int(4, width - w + 1)]
      const noise = own.fork('noise')
      const mean = batch.pixels.subarray(n * size, (n + 1) * size).reduce((a, b) => a + b, 0) / size
      for (let y = top; y < top + h; y++) {
        for (let i = (y * width + left) * channels; i < (y * width + left + w) * channels; i++) {
          pixels[n * size + i] = fill === 'noise' ? 255 * noise.uniform(i) : mean
        }
      }
    }
    return { ...batch, pixels }
  },
})
