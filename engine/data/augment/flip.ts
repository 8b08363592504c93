import { z } from 'zod'
import { defineAugment, pictureSize, shareOption } from '../augment.ts'

/** Mirrors left and right with probability `share`. */
export default defineAugment({
  id: 'flip',
  title: 'Horizontal flip',
  options: z.strictObject({ share: shareOption(0.5) }),
  apply(batch, { share }, random) {
    const { count, height, width, channels } = batch
    const size = pictureSize(batch)
    const pixels = batch.pixels.slice()
    for (let n = 0; n < count; n++) {
      if (random.sample(n).uniform(0) >= share) continue
      for (let row = 0; row < height; row++) {
        const base = n * size + row * width * channels
        for (let x = 0; x < width; x++) {
          for (let c = 0; c < channels; c++) pixels[base + x * channels + c] = batch.pixels[base + (width - 1 - x) * channels + c]!
        }
      }
    }
    return { ...batch, pixels }
  },
})
