import { z } from 'zod'
import { classifier, convNorm, dropout } from '../layers.ts'
import { defineTemplate, type TemplateContext } from '../template.ts'
import type { Tensor } from '../../ops/index.ts'

/** Table 3 of the paper: channels, depthwise separable layers, strides in time and frequency of the first and the second layer. */
const SIZES = {
  small: { channels: 64, layers: 4, first: [2, 2], second: [1, 1] },
  medium: { channels: 172, layers: 4, first: [2, 1], second: [2, 2] },
  large: { channels: 276, layers: 5, first: [2, 1], second: [2, 2] },
} as const

/** 3x3 depthwise, then 1x1 convolution, each with batch norm and ReLU. */
function separable(
  ctx: TemplateContext<unknown>,
  x: Tensor,
  name: string,
  channels: number,
  stride: readonly [number, number],
): Tensor {
  const own = x.shape[1]!
  const depthwise = convNorm(ctx, x, `${name}.depthwise`, own, { kernel: 3, stride, groups: own })
  return convNorm(ctx, depthwise, `${name}.pointwise`, channels, { kernel: 1 })
}

/**
 * Depthwise separable network for keyword spotting, on spectrograms [1, frames, filters]: a 10x4 convolution, then separable layers, the
 * mean over all places and one linear layer. The paper's input are 49 frames of 10 cepstral coefficients; any number of filters fits.
 */
export default defineTemplate({
  id: 'ds-cnn',
  names: ['ds-cnn'],
  title: 'Depthwise separable network for keyword spotting',
  paper: 'Zhang et al. 2017, Hello Edge: keyword spotting on microcontrollers, arXiv:1711.07128',
  options: z.strictObject({
    size: z.enum(['small', 'medium', 'large']).default('small'),
    /** Multiplies the channels. */
    width: z.number().positive().max(4).default(1),
    dropout: z.number().min(0).lt(1).default(0.2),
  }),
  argument: 'small, medium or large, as in ds-cnn:medium',
  parse: (_, argument) => (argument === undefined ? {} : { size: argument }),
  build(_, x, ctx) {
    const { size, width } = ctx.o
    const { channels: full, layers, first, second } = SIZES[size]
    const channels = Math.max(1, Math.round(full * width))
    let h = convNorm(ctx, x, 'stem', channels, { kernel: [10, 4], stride: first })
    const taps: Record<string, Tensor> = { stem: h }
    for (let i = 0; i < layers; i++) h = taps[`block${i}`] = separable(ctx, h, `block${i}`, channels, i === 0 ? second : [1, 1])
    const { pooled, logits } = classifier(ctx, dropout(h, ctx.o.dropout, 'dropout'))
    return { logits, taps: { ...taps, pooled } }
  },
})
