import { z } from 'zod'
import type { Tensor } from '../../ops/index.ts'
import { batchNorm, classifier, conv, convNorm, relu6, side, toEights } from '../layers.ts'
import { defineTemplate, type TemplateContext } from '../template.ts'

/** Table 2 of the paper: expansion, channels, blocks, whether the first block halves the size. */
const STAGES = [
  { expand: 1, channels: 16, blocks: 1, halves: false },
  { expand: 6, channels: 24, blocks: 2, halves: true },
  { expand: 6, channels: 32, blocks: 3, halves: true },
  { expand: 6, channels: 64, blocks: 4, halves: true },
  { expand: 6, channels: 96, blocks: 3, halves: false },
  { expand: 6, channels: 160, blocks: 3, halves: true },
  { expand: 6, channels: 320, blocks: 1, halves: false },
] as const

/** 1x1 expansion, 3x3 depthwise, linear 1x1 projection; a shortcut where the shapes allow it. */
function invertedResidual(
  ctx: TemplateContext<unknown>,
  x: Tensor,
  name: string,
  { channels, expand, stride }: { channels: number; expand: number; stride: number },
): Tensor {
  const wide = x.shape[1]! * expand
  const h = expand === 1 ? x : convNorm(ctx, x, `${name}.expand`, wide, { kernel: 1 }, relu6)
  const d = convNorm(ctx, h, `${name}.depthwise`, wide, { kernel: 3, stride, groups: wide }, relu6)
  const y = batchNorm(ctx, conv(ctx, d, `${name}.project.conv`, channels, { kernel: 1 }), `${name}.project.bn`)
  return stride === 1 && x.shape[1] === channels ? x.emit('Add', [y], {}, { names: [name] }) : y
}

/**
 * Of the five halvings of the original (for 224 pixels), an input keeps the last ones that leave a map of about 4 x 4: five from 128
 * pixels on, four at 64, three at 32. No dropout before the classifier.
 */
export default defineTemplate({
  id: 'mobilenet-v2',
  names: ['mobilenet-v2'],
  title: 'MobileNetV2',
  paper: 'Sandler et al. 2018, arXiv:1801.04381',
  options: z.strictObject({ width: z.number().positive().max(4).default(1) }),
  argument: 'width multiplier, as in mobilenet-v2:0.5',
  parse: (_, argument) => (argument === undefined ? {} : { width: Number(argument) }),
  build(_, x, ctx) {
    const { width } = ctx.o
    let spare = 5 - Math.min(5, Math.max(0, Math.round(Math.log2(side(x) / 4))))
    const strideOf = (halves: boolean): number => (halves && spare-- <= 0 ? 2 : 1)
    let h = convNorm(ctx, x, 'stem', toEights(32 * width), { kernel: 3, stride: strideOf(true) }, relu6)
    const taps: Record<string, Tensor> = { stem: h }
    STAGES.forEach(({ expand, channels, blocks, halves }, stage) => {
      for (let i = 0; i < blocks; i++) {
        const stride = strideOf(halves && i === 0)
        h = invertedResidual(ctx, h, `stage${stage}.block${i}`, { channels: toEights(channels * width), expand, stride })
      }
      taps[`stage${stage}`] = h
    })
    // The last layer is not narrowed below its full width, as in the paper.
    h = taps.head = convNorm(ctx, h, 'head', toEights(1280 * Math.max(1, width)), { kernel: 1 }, relu6)
    const { pooled, logits } = classifier(ctx, h)
    return { logits, taps: { ...taps, pooled } }
  },
})
