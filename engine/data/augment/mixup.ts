import { z } from 'zod'
import { defineAugment, pictureSize } from '../augment.ts'

/**
 * Zhang, Cisse, Dauphin, Lopez-Paz 2017. x = c x_i + (1 - c) x_j and the same for the target, j a partner in the batch,
 * c ~ Beta(alpha, alpha) or uniform in [0, 1].
 */
export default defineAugment({
  id: 'mixup',
  title: 'Mixup',
  paper: 'arXiv:1710.09412',
  options: z.strictObject({
    alpha: z.number().positive().default(1),
    coefficient: z.enum(['beta', 'uniform']).default('beta'),
    /** One coefficient for the whole batch, as the paper's code draws it, or one a sample. */
    per: z.enum(['batch', 'sample']).default('batch'),
  }),
  apply(batch, { alpha, coefficient, per }, random) {
    const { count } = batch
    const partner = random.batch.fork('partner').permutation(count)
    const draw = (i: number) => (coefficient === 'beta' ? random.batch.beta(i, alpha, alpha) : random.batch.uniform(i))
    const weight = Float32Array.from({ length: count }, (_, n) => draw(per === 'batch' ? 0 : n))
    const mix = (from: Float32Array, size: number) => {
      const out = new Float32Array(from.length)
      for (let n = 0; n < count; n++) {
        const [c, other] = [weight[n]!, partner[n]! * size]
        for (let i = 0; i < size; i++) out[n * size + i] = c * from[n * size + i]! + (1 - c) * from[other + i]!
      }
      return out
    }
    const target = batch.target && mix(batch.target, batch.target.length / count)
    return { ...batch, pixels: mix(batch.pixels, pictureSize(batch)), ...(target ? { target } : {}) }
  },
})
