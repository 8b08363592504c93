import { z } from 'zod'
import { classifier, convNorm, maxPool, side } from '../layers.ts'
import { defineTemplate } from '../template.ts'

/**
 * A thin, deep stack of equal 3x3 convolutions without shortcuts, pooled by 2 after each third: the kind of student that is hard to train
 * from scratch (Romero et al. 2015, arXiv:1412.6550, section 2).
 */
export default defineTemplate({
  id: 'plain-cnn',
  names: ['plain-cnn'],
  title: 'Plain deep convolutional network',
  paper: 'Romero et al. 2015, FitNets: hints for thin deep nets',
  options: z.strictObject({
    depth: z.number().int().min(1).max(100).default(12),
    width: z.number().int().min(1).max(1024).default(8),
  }),
  argument: 'depth and width, as in plain-cnn:12,8',
  parse(_, argument) {
    const [depth, width] = argument?.split(',').map(Number) ?? []
    return { ...(depth === undefined ? {} : { depth }), ...(width === undefined ? {} : { width }) }
  },
  build(_, x, ctx) {
    const { depth, width } = ctx.o
    const third = Math.ceil(depth / 3)
    const taps: Record<string, typeof x> = {}
    let y = x
    for (let i = 0; i < depth; i++) {
      if (i > 0 && i % third === 0 && side(y) > 3) y = maxPool(y, `pool${i / third}`, 2, 2)
      y = convNorm(ctx, y, `block${i}`, width, { kernel: 3 })
      if ((i + 1) % third === 0 || i === depth - 1) taps[`block${i}`] = y
    }
    return { logits: classifier(ctx, y).logits, taps }
  },
})
