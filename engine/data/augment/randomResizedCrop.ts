import { z } from 'zod'
import { defineAugment, pictureSize } from '../augment.ts'
import { resample } from '../resample.ts'

const TRIES = 10

/** Cuts a box of random area and aspect and scales it back to the picture's size. Szegedy et al. 2014. */
export default defineAugment({
  id: 'random-resized-crop',
  title: 'Random resized crop',
  paper: 'arXiv:1409.4842',
  options: z.strictObject({
    /** Least and greatest share of the area. */
    area: z.tuple([z.number().positive().max(1), z.number().positive().max(1)]).default([0.08, 1]),
    /** Least and greatest width / height, relative to the picture's own. */
    aspect: z.tuple([z.number().positive(), z.number().positive()]).default([3 / 4, 4 / 3]),
  }),
  apply(batch, { area, aspect }, random) {
    const { count, height, width, channels } = batch
    const size = pictureSize(batch)
    const pixels = new Float32Array(batch.pixels.length)
    const shape = [height, width, channels] as const
    for (let n = 0; n < count; n++) {
      const own = random.sample(n)
      let box = { top: 0, left: 0, height, width }
      for (let i = 0; i < TRIES; i++) {
        const share = area[0] + (area[1] - area[0]) * own.uniform(4 * i)
        const ratio = Math.exp(Math.log(aspect[0]) + Math.log(aspect[1] / aspect[0]) * own.uniform(4 * i + 1))
        const [h, w] = [height * Math.sqrt(share / ratio), width * Math.sqrt(share * ratio)]
        if (h > height || w > width) continue
        box = { top: (height - h) * own.uniform(4 * i + 2), left: (width - w) * own.uniform(4 * i + 3), height: h, width: w }
        break
      }
      resample(batch.pixels, n * size, shape, box, [height, width], pixels, n * size)
    }
    return { ...batch, pixels }
  },
})
