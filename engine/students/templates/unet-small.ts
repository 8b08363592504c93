import { z } from 'zod'
import { OptionError } from '../../errors.ts'
import { concat, type Tensor } from '../../ops/index.ts'
import { kaimingNormal, ones, zeros } from '../initialisers.ts'
import { conv, reshape } from '../layers.ts'
import { attention } from '../transformer.ts'
import { defineTemplate, type TemplateContext } from '../template.ts'

type Context = TemplateContext<unknown>

/** Group normalisation with up to `groups` groups of whole channels. Wu and He 2018, arXiv:1803.08494. */
function groupNorm({ param }: Context, x: Tensor, name: string, groups: number): Tensor {
  const channels = x.shape[1]!
  let fitting = Math.min(groups, channels)
  while (channels % fitting) fitting--
  const inputs = [param(`${name}.weight`, [channels], ones), param(`${name}.bias`, [channels], zeros)]
  return x.emit('GroupNormalization', inputs, { num_groups: fitting, epsilon: 1e-5 }, { names: [name] })
}

/** x sigmoid(x). Elfwing et al. 2018. */
const silu = (x: Tensor, name: string): Tensor => x.emit('Mul', [x.sigmoid()], {}, { names: [name] })

/** Two times norm, SiLU and 3x3 convolution, beside a shortcut. */
function block(ctx: Context, x: Tensor, name: string, channels: number, groups: number): Tensor {
  const first = conv(ctx, silu(groupNorm(ctx, x, `${name}.norm1`, groups), `${name}.act1`), `${name}.conv1`, channels, {
    kernel: 3,
  })
  const second = silu(groupNorm(ctx, first, `${name}.norm2`, groups), `${name}.act2`)
  const residual = conv(ctx, second, `${name}.conv2`, channels, { kernel: 3 })
  const shortcut = x.shape[1] === channels ? x : conv(ctx, x, `${name}.shortcut`, channels, { kernel: 1 })
  return residual.emit('Add', [shortcut], {}, { names: [name] })
}

/** Self-attention over all places of a map, one head, beside a shortcut. */
function attend(ctx: Context, x: Tensor, name: string, groups: number): Tensor {
  const [, channels, height, width] = x.shape as [number, number, number, number]
  const tokens = reshape(groupNorm(ctx, x, `${name}.norm`, groups), [0, 0, -1], `${name}.flat`).transpose([0, 2, 1])
  const seen = attention(ctx, tokens, name, 1).transpose([0, 2, 1])
  return reshape(seen, [0, channels, height, width], `${name}.map`).emit('Add', [x], {}, { names: [`${name}.sum`] })
}

/** 2x2 transposed convolution of stride 2, the original's way up. */
function up({ param }: Context, x: Tensor, name: string, channels: number): Tensor {
  const w = param(`${name}.weight`, [x.shape[1]!, channels, 2, 2], kaimingNormal({ fan: 'out', gain: 1 }))
  const attrs = { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 }
  return x.emit('ConvTranspose', [w], attrs, { names: [name] })
}

/**
 * U-Net with group norm, residual blocks and self-attention at the lowest resolution, as the networks of diffusion models have it. Each
 * level halves the size and doubles the channels; what a level made joins the way up. Answers for each pixel.
 */
export default defineTemplate({
  id: 'unet-small',
  names: ['unet-small'],
  title: 'U-Net with group norm and attention',
  paper: 'Ronneberger et al. 2015, arXiv:1505.04597; Ho et al. 2020, arXiv:2006.11239',
  pixels: true,
  opset: 21,
  options: z.strictObject({
    channels: z.number().int().min(1).max(1024).default(32),
    levels: z.number().int().min(1).max(6).default(3),
    groups: z.number().int().min(1).default(8),
  }),
  argument: 'channels of the first level, as in unet-small:16',
  parse: (_, argument) => (argument === undefined ? {} : { channels: Number(argument) }),
  build(_, x, ctx) {
    const { channels, levels, groups } = ctx.o
    const factor = 2 ** (levels - 1)
    const [, , height, width] = x.shape as [number, number, number, number]
    if (height % factor || width % factor)
      throw new OptionError(
        `template 'unet-small' of ${levels} levels needs sizes that are multiples of ${factor}, found ${height}x${width}`,
        {
          where: 'student',
          hint: 'resize the pictures, or take fewer levels: unet-small?levels=2',
        },
      )
    const taps: Record<string, Tensor> = {}
    const skips: Tensor[] = []
    let h = conv(ctx, x, 'stem', channels, { kernel: 3 })
    for (let level = 0; level < levels; level++) {
      h = taps[`down${level}`] = block(ctx, h, `down${level}`, channels * 2 ** level, groups)
      skips.push(h)
      if (level < levels - 1) h = conv(ctx, h, `down${level}.half`, h.shape[1]!, { kernel: 3, stride: 2 })
    }
    h = taps['middle'] = block(ctx, attend(ctx, h, 'attention', groups), 'middle', h.shape[1]!, groups)
    for (let level = levels - 2; level >= 0; level--) {
      const own = channels * 2 ** level
      const joined = concat([up(ctx, h, `up${level}.double`, own), skips[level]!], 1)
      h = taps[`up${level}`] = block(ctx, joined, `up${level}`, own, groups)
    }
    const last = silu(groupNorm(ctx, h, 'norm', groups), 'act')
    const w = ctx.param('logits.weight', [ctx.classes, last.shape[1]!, 1, 1], kaimingNormal({ gain: 1 }))
    const bias = ctx.param('logits.bias', [ctx.classes], zeros)
    const attrs = { kernel_shape: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], dilations: [1, 1], group: 1 }
    return { logits: last.emit('Conv', [w, bias], attrs, { names: ['logits'] }), taps }
  },
})
