import { z } from 'zod'
import { OptionError } from '../../errors.ts'
import { concat, type Tensor } from '../../ops/index.ts'
import { kaimingNormal, zeros } from '../initialisers.ts'
import { batchNorm, conv, convNorm, relu } from '../layers.ts'
import { defineTemplate, type TemplateContext } from '../template.ts'

/** Two 3x3 convolutions beside the identity. */
function residual(ctx: TemplateContext<unknown>, x: Tensor, name: string): Tensor {
  const h = convNorm(ctx, x, `${name}.unit1`, x.shape[1]!, { kernel: 3 })
  const branch = batchNorm(ctx, conv(ctx, h, `${name}.unit2.conv`, x.shape[1]!, { kernel: 3 }), `${name}.unit2.bn`)
  return relu(branch.emit('Add', [x], {}, { names: [`${name}.sum`] }), name)
}

/** Every position twice in each direction. */
function doubled(x: Tensor, name: string): Tensor {
  const scales = x.b.array('float32', [4], [1, 1, 2, 2])
  const attrs = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
  return x.emit('Resize', [undefined, scales], attrs, { names: [name] })
}

/**
 * Encoder and decoder with skips, the generator of image-to-image networks: each level halves the size and doubles the channels, what a
 * level made joins the way up, and each level ends in `blocks` residual blocks. Without blocks and with fewer channels it is the same
 * layout, smaller, so that its levels can be compared one by one. Answers for each pixel, with as many numbers as there are classes.
 */
export default defineTemplate({
  id: 'encoder-decoder',
  names: ['encoder-decoder'],
  title: 'Encoder and decoder with skips and residual blocks',
  paper: 'Ronneberger et al. 2015, arXiv:1505.04597; Prajwal et al. 2020, arXiv:2008.10010 (the generator of Wav2Lip)',
  pixels: true,
  options: z.strictObject({
    channels: z.number().int().min(1).max(1024).default(32),
    levels: z.number().int().min(1).max(6).default(3),
    blocks: z.number().int().min(0).max(8).default(1),
  }),
  argument: 'channels of the first level, as in encoder-decoder:16',
  parse: (_, argument) => (argument === undefined ? {} : { channels: Number(argument) }),
  build(_, x, ctx) {
    const { channels, levels, blocks } = ctx.o
    const factor = 2 ** (levels - 1)
    const [, , height, width] = x.shape as [number, number, number, number]
    if (height % factor || width % factor)
      throw new OptionError(
        `template 'encoder-decoder' of ${levels} levels needs sizes that are multiples of ${factor}, found ${height}x${width}`,
        { where: 'student', hint: 'resize the pictures, or take fewer levels: encoder-decoder?levels=2' },
      )
    const taps: Record<string, Tensor> = {}
    /** The level's last value is named after it, whatever it is made of. */
    const level = (from: Tensor, name: string, own: number, stride: number): Tensor => {
      let h = convNorm(ctx, from, blocks > 0 ? `${name}.in` : name, own, { kernel: 3, stride })
      for (let i = 0; i < blocks; i++) h = residual(ctx, h, i === blocks - 1 ? name : `${name}.block${i}`)
      return (taps[name] = h)
    }
    const skips: Tensor[] = []
    let h = x
    for (let i = 0; i < levels; i++) skips.push((h = level(h, `down${i}`, channels * 2 ** i, i === 0 ? 1 : 2)))
    for (let i = levels - 2; i >= 0; i--)
      h = level(concat([doubled(h, `up${i}.double`), skips[i]!], 1), `up${i}`, channels * 2 ** i, 1)
    const w = ctx.param('logits.weight', [ctx.classes, h.shape[1]!, 1, 1], kaimingNormal({ gain: 1 }))
    const bias = ctx.param('logits.bias', [ctx.classes], zeros)
    const attrs = { kernel_shape: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 }
    return { logits: h.emit('Conv', [w, bias], attrs, { names: ['logits'] }), taps }
  },
})
