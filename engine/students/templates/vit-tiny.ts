import { z } from 'zod'
import type { Tensor } from '../../ops/index.ts'
import { OptionError } from '../../errors.ts'
import { truncatedNormal, zeros } from '../initialisers.ts'
import { dropout, linear, reshape, side } from '../layers.ts'
import { attention, DEVIATION, feedForward, layerNorm, TRANSFORMER_OPSET } from '../transformer.ts'
import { defineTemplate } from '../template.ts'

/** Patches of images from this size on are those of the paper; smaller ones are cut into 4 x 4 pixels. */
const LARGE = 128

/**
 * Vision transformer: patches as tokens with learned places, pre-norm blocks, and the mean over all tokens instead of a class token,
 * which is as good (Beyer et al. 2022, arXiv:2205.01580). Sizes are DeiT-Ti's: 192 wide, 12 layers, 3 heads.
 */
export default defineTemplate({
  id: 'vit-tiny',
  names: ['vit-tiny'],
  title: 'Vision transformer, tiny',
  paper: 'Dosovitskiy et al. 2021, arXiv:2010.11929; Touvron et al. 2021, arXiv:2012.12877',
  opset: TRANSFORMER_OPSET,
  options: z.strictObject({
    patch: z.number().int().min(1).optional(),
    layers: z.number().int().min(1).max(64).default(12),
    width: z.number().int().min(1).max(4096).default(192),
    heads: z.number().int().min(1).max(64).default(3),
    dropout: z.number().min(0).lt(1).default(0),
  }),
  argument: 'layers, as in vit-tiny:6',
  parse: (_, argument) => (argument === undefined ? {} : { layers: Number(argument) }),
  build(b, x, ctx) {
    const { layers, width, heads, dropout: drop } = ctx.o
    const patch = ctx.o.patch ?? (side(x) >= LARGE ? 16 : 4)
    const [, channels, height, breadth] = x.shape as [number, number, number, number]
    if (height % patch || breadth % patch || width % heads)
      throw new OptionError(
        `template 'vit-tiny' cuts ${height}x${breadth} pixels into patches of ${patch} and ${width} units into ${heads} heads, which does not come out even`,
        { where: 'student', hint: 'as in vit-tiny?patch=7&width=192&heads=3' },
      )
    const tokens = (height / patch) * (breadth / patch)
    const w = ctx.param('patches.weight', [width, channels, patch, patch], truncatedNormal(DEVIATION))
    const attrs = { kernel_shape: [patch, patch], strides: [patch, patch], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 }
    const cut = x.emit('Conv', [w, ctx.param('patches.bias', [width], zeros)], attrs, { names: ['patches'] })
    const places = ctx.param('places', [1, tokens, width], truncatedNormal(DEVIATION))
    let h = dropout(reshape(cut, [0, 0, -1], 'patches.flat').transpose([0, 2, 1]).add(places), drop, 'places.dropout')
    const taps: Record<string, Tensor> = {}
    for (let i = 0; i < layers; i++) {
      const name = `block${i}`
      const seen = attention(ctx, layerNorm(ctx, h, `${name}.norm1`, 1e-6), `${name}.attention`, heads, undefined, drop)
      h = h.add(dropout(seen, drop, `${name}.dropout1`))
      const made = feedForward(ctx, layerNorm(ctx, h, `${name}.norm2`, 1e-6), `${name}.mlp`, 4 * width)
      h = taps[name] = h.emit('Add', [dropout(made, drop, `${name}.dropout2`)], {}, { names: [name] })
    }
    const pooled = layerNorm(ctx, h, 'norm', 1e-6).emit('ReduceMean', [b.ints([1])], { keepdims: 0 }, { names: ['pooled'] })
    return { logits: linear(ctx, pooled, 'logits', ctx.classes), taps: { ...taps, pooled } }
  },
})
