import { z } from 'zod'
import type { Tensor } from '../../ops/index.ts'
import { batchNorm, classifier, conv, convNorm, maxPool, relu, side } from '../layers.ts'
import { defineTemplate, type TemplateContext } from '../template.ts'

/** Two 3x3 convolutions beside a shortcut; a 1x1 convolution where size or channels change. */
function block(ctx: TemplateContext<unknown>, x: Tensor, name: string, channels: number, stride: number): Tensor {
  const h = convNorm(ctx, x, `${name}.unit1`, channels, { kernel: 3, stride })
  const residual = batchNorm(ctx, conv(ctx, h, `${name}.unit2.conv`, channels, { kernel: 3 }), `${name}.unit2.bn`)
  const shortcut =
    stride === 1 && x.shape[1] === channels
      ? x
      : batchNorm(ctx, conv(ctx, x, `${name}.shortcut.conv`, channels, { kernel: 1, stride }), `${name}.shortcut.bn`)
  return relu(residual.emit('Add', [shortcut], {}, { names: [`${name}.sum`] }), name)
}

/**
 * The CIFAR form: 6n + 2 layers in three stages of n blocks, 16, 32 and 64 channels times `width`.
 * The paper's CIFAR networks pad their shortcuts with zeros (option A); here a 1x1 convolution projects (option B, 2,752 parameters
 * more at width 1), which can be narrowed, pruned and quantized like any other. Inputs above 64 pixels enter through the 7x7 stem of
 * its ImageNet networks.
 */
export default defineTemplate({
  id: 'resnet',
  names: ['resnet-8', 'resnet-14', 'resnet-20', 'resnet-32'],
  title: 'Residual network',
  paper: 'He et al. 2016, arXiv:1512.03385, section 4.2',
  options: z.strictObject({
    blocks: z.number().int().min(1),
    width: z.number().positive().max(16).default(1),
  }),
  argument: 'width multiplier, as in resnet-20:0.5',
  parse: (name, argument) => ({
    blocks: (Number(name.slice('resnet-'.length)) - 2) / 6,
    ...(argument === undefined ? {} : { width: Number(argument) }),
  }),
  build(_, x, ctx) {
    const { blocks, width } = ctx.o
    const channels = [16, 32, 64].map((n) => Math.max(1, Math.round(n * width)))
    const large = side(x) > 64
    let h = convNorm(ctx, x, 'stem', channels[0]!, large ? { kernel: 7, stride: 2 } : { kernel: 3 })
    if (side(h) > 64) h = maxPool(h, 'stem.pool', 3, 2)
    const taps: Record<string, Tensor> = { stem: h }
    channels.forEach((n, stage) => {
      for (let i = 0; i < blocks; i++) h = block(ctx, h, `stage${stage + 1}.block${i}`, n, stage > 0 && i === 0 ? 2 : 1)
      taps[`stage${stage + 1}`] = h
    })
    const { pooled, logits } = classifier(ctx, h)
    return { logits, taps: { ...taps, pooled } }
  },
})
