import { z } from 'zod'
import { classifier, convNorm, maxPool } from '../layers.ts'
import { defineTemplate } from '../template.ts'

/**
 * Three 3x3 convolutions with batch norm, pooled by 2 after the first two, a 1x1 convolution that widens, then the mean over all
 * positions: any input size fits. The widening makes up for the places that the mean forgets: it learns faster than as many channels
 * in the third convolution. 16, 32, 32 and 64 channels: multiples of 16 for blocked kernels; 17,242 numbers in the file at 1x28x28
 * with 10 classes.
 */
export default defineTemplate({
  id: 'small-cnn',
  names: ['small-cnn'],
  title: 'Small convolutional network',
  paper: 'LeCun et al. 1998, Gradient-based learning applied to document recognition (with batch norm and global pooling)',
  options: z.strictObject({ width: z.number().positive().max(16).default(1) }),
  argument: 'width multiplier, as in small-cnn:0.5',
  parse: (_, argument) => (argument === undefined ? {} : { width: Number(argument) }),
  build(_, x, ctx) {
    const channels = [16, 32, 32, 64].map((n) => Math.max(8, Math.round((n * ctx.o.width) / 8) * 8)) as [
      number,
      number,
      number,
      number,
    ]
    const block0 = convNorm(ctx, x, 'block0', channels[0], { kernel: 3 })
    const block1 = convNorm(ctx, maxPool(block0, 'block0.pool', 2, 2), 'block1', channels[1], { kernel: 3 })
    const block2 = convNorm(ctx, maxPool(block1, 'block1.pool', 2, 2), 'block2', channels[2], { kernel: 3 })
    const head = convNorm(ctx, block2, 'head', channels[3], { kernel: 1 })
    const { pooled, logits } = classifier(ctx, head)
    return { logits, taps: { block0, block1, block2, head, pooled } }
  },
})
